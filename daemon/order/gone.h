/* Gone: the numbers of chains that were dropped and whose space was not asked back yet. Pure; the loop's.
 *
 * A number may be another chain's meanwhile: it stays here all the same until its space was asked back. */
#ifndef DAEMON_GONE_H
#define DAEMON_GONE_H

#include <stdbool.h>
#include <stdint.h>

/* No chain has a greater number: the most that the setting chains_max may be. */
enum { CHAIN_IDS_MAX = 65536 };

struct gone;

struct gone *gone_new(void);
void gone_free(struct gone *gone); /* accepts NULL */

/* Chains of those numbers, both included, were dropped, in this run or before it; or their space was not given back. */
void gone_add(struct gone *gone, uint32_t first, uint32_t last);

bool gone_has(const struct gone *gone, uint32_t id);

/* Takes the first numbers in a row, both included. False: there are none. */
bool gone_take(struct gone *gone, uint32_t *ret_first, uint32_t *ret_last);

#endif
