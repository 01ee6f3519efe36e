/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stack/impl.h"

enum { SEGS = 50 };

static void test_none_is_given_twice(void **state)
{
	struct seg *mine[SEGS];
	uint32_t n = 0, random = 1;
	struct seg_pool p;

	(void)state;
	assert_int_equal(segs_init(&p, SEGS), 0);
	for (int i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		if (random >> 31) {
			struct seg *seg = seg_take(&p);

			assert_int_equal(seg != NULL, n < SEGS);
			for (uint32_t k = 0; seg && k < n; k++)
				assert_ptr_not_equal(seg, mine[k]);
			if (seg)
				mine[n++] = seg;
		} else if (n) {
			seg_give(&p, mine[--n]);
		}
		assert_int_equal(p.nfree, SEGS - n);
	}
	free(p.all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_none_is_given_twice) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
