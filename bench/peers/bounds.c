/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/bounds.h"

#include <stdbool.h>
#include <stdio.h>

static unsigned missed;

void bounds_check(const char *subject, const char *figure, double value, struct bound bound) {
    bool ok = (bound.at_least == 0 || value >= bound.at_least) &&
              (bound.at_most == 0 || value <= bound.at_most);
    printf("%-22s %-34s %8.2f", subject, figure, value);
    if (bound.at_least > 0)
        printf("  >= %-5.4g %s", bound.at_least, ok ? "ok" : "MISSED");
    else if (bound.at_most > 0)
        printf("  <= %-5.4g %s", bound.at_most, ok ? "ok" : "MISSED");
    putchar('\n');
    missed += !ok;
}

unsigned bounds_missed(void) {
    return missed;
}
