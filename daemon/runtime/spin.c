/* The mean moves by a part of the difference with each sample, and a sample counts only up to a bound, so that one late event does not
 * end spinning for long. */
#include "daemon/runtime/spin.h"

#include <assert.h>

enum {
    /* The newest sample is one part in this many of the mean. Chosen: a change of pace is learnt within some ten samples. */
    SPIN_MEAN_PARTS = 8,
    /* A sample counts as this many times spin_ns_max at most. Chosen: one late sample does not end spinning for long, and
     * a mean that stands at this bound says nothing but "long". */
    SPIN_OUTLIER_FACTOR = 8,
};

void spin_learn(struct spin *spin, uint64_t took_ns)
{
    assert(spin->spin_ns_max <= UINT64_MAX / SPIN_OUTLIER_FACTOR / SPIN_MEAN_PARTS); /* the products fit */
    uint64_t counted_ns_max = spin->spin_ns_max * SPIN_OUTLIER_FACTOR;
    uint64_t counted_ns = took_ns < counted_ns_max ? took_ns : counted_ns_max;
    uint64_t before_ns = spin->mean_ns * (SPIN_MEAN_PARTS - 1);
    spin->mean_ns = (before_ns + counted_ns + SPIN_MEAN_PARTS - 1) / SPIN_MEAN_PARTS;
    assert(spin->mean_ns <= counted_ns_max || counted_ns_max == 0);
}

bool spin_holds(const struct spin *spin, uint64_t waited_ns)
{
    assert(spin->mean_ns <= UINT64_MAX / 2); /* or what is overdue would not seem so */
    return spin->mean_ns <= spin->spin_ns_max && waited_ns <= 2 * spin->mean_ns;
}

bool spin_holds_when_due(const struct spin *spin, uint64_t waited_ns, uint64_t *ret_sleep_ns)
{
    assert(spin->spin_ns_max <= UINT64_MAX / SPIN_OUTLIER_FACTOR); /* the product below fits */
    uint64_t mean_ns = spin->mean_ns;
    *ret_sleep_ns = 0;
    if (mean_ns <= spin->spin_ns_max) {
        return spin_holds(spin, waited_ns);
    }
    if (mean_ns >= spin->spin_ns_max * SPIN_OUTLIER_FACTOR) {
        return false; /* only known to be long */
    }
    uint64_t spin_from_ns = mean_ns - spin->spin_ns_max / 2;
    if (waited_ns < spin_from_ns) {
        *ret_sleep_ns = spin_from_ns - waited_ns;
        return false;
    }
    return waited_ns <= mean_ns + spin->spin_ns_max;
}
