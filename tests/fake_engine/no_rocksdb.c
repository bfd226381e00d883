/* Stands in for RocksDB until that is behind engine.h. */
#include "daemon/engine/engine_type.h"

const struct engine_type engine_rocksdb;
