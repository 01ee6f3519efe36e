/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/loader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct loader_request request(uint32_t op)
{
	return (struct loader_request){ .magic = LOADER_MAGIC,
					.version = LOADER_VERSION,
					.op = op,
					.ifindex = 2,
					.form = NIC_WANT_SINGLE };
}

static struct loader_answer answer(enum nic_form form)
{
	return (struct loader_answer){ .magic = LOADER_MAGIC,
				       .version = LOADER_VERSION,
				       .form = form,
				       .mode = NIC_MODE_NATIVE,
				       .nfds = form == NIC_FORM_SINGLE ? 4 : 2 };
}

static int check(const struct loader_request *q)
{
	return loader_check_request(q, sizeof(*q));
}

static int check_answer(const struct loader_answer *a)
{
	return loader_check_answer(a, sizeof(*a), a->nfds);
}

/* What sound messages become by one change. */
#define REFUSED(what, check, member, value)                  \
	do {                                                 \
		__auto_type changed = what;                  \
		changed.member = (value);                    \
		assert_int_equal(check(&changed), -EBADMSG); \
	} while (0)

static void test_requests(void **state)
{
	struct loader_request q;

	(void)state;
	for (uint32_t op = LOADER_ATTACH; op < LOADER_OP_MAX; op++) {
		q = request(op);
		assert_int_equal(check(&q), 0);
		assert_int_equal(loader_check_request(&q, sizeof(q) - 1), -EBADMSG);
		assert_int_equal(loader_check_request(&q, sizeof(q) + 1), -EBADMSG);
		REFUSED(q, check, magic, LOADER_MAGIC + 1);
		REFUSED(q, check, version, LOADER_VERSION + 1);
		REFUSED(q, check, op, 0);
		REFUSED(q, check, op, LOADER_OP_MAX);
	}
	assert_int_equal(loader_check_request(NULL, 0), -EBADMSG);
}

static void test_attach_members(void **state)
{
	struct loader_request q = request(LOADER_ATTACH);

	(void)state;
	for (q.form = NIC_WANT_DISPATCHER; q.form < NIC_WANT_MAX; q.form++)
		for (q.mode = 0; q.mode < NIC_WANT_MODE_MAX; q.mode++)
			assert_int_equal(check(&q), 0);
	q = request(LOADER_ATTACH);
	REFUSED(q, check, ifindex, 0);
	REFUSED(q, check, ifindex, UINT32_MAX);
	REFUSED(q, check, form, NIC_WANT_AUTO);
	REFUSED(q, check, form, NIC_WANT_MAX);
	REFUSED(q, check, mode, NIC_WANT_MODE_MAX);
	REFUSED(q, check, channels, NIC_QUEUES_MAX + 1);
	q = request(LOADER_DETACH);
	REFUSED(q, check, ifindex, 0);
	REFUSED(q, check, channels, NIC_QUEUES_MAX + 1);
	q.form = q.mode = UINT32_MAX;
	assert_int_equal(check(&q), 0);
	q = request(LOADER_PROBE);
	q.ifindex = 0;
	assert_int_equal(check(&q), 0);
}

static void test_answers(void **state)
{
	struct loader_answer a;

	(void)state;
	for (uint32_t form = NIC_FORM_DISPATCHER; form < NIC_FORM_MAX; form++) {
		a = answer(form);
		assert_int_equal(check_answer(&a), 0);
		assert_int_equal(loader_check_answer(&a, sizeof(a) - 1, a.nfds), -EBADMSG);
		assert_int_equal(loader_check_answer(&a, sizeof(a), a.nfds - 1), -EBADMSG);
		REFUSED(a, check_answer, magic, 0);
		REFUSED(a, check_answer, version, 0);
		REFUSED(a, check_answer, nfds, a.nfds - 1);
		REFUSED(a, check_answer, form, NIC_FORM_MAX);
		REFUSED(a, check_answer, form, NIC_FORM_NONE);
		REFUSED(a, check_answer, mode, NIC_MODE_MAX);
		REFUSED(a, check_answer, mode, NIC_MODE_NONE);
		REFUSED(a, check_answer, channels_were, NIC_QUEUES_MAX + 1);
		REFUSED(a, check_answer, error, EBUSY);
		memset(a.why, 'x', sizeof(a.why));
		assert_int_equal(check_answer(&a), -EBADMSG);
	}
}

static void test_failures(void **state)
{
	struct loader_answer a = { .magic = LOADER_MAGIC,
				   .version = LOADER_VERSION,
				   .error = EBUSY,
				   .why = "somebody is there" };

	(void)state;
	assert_int_equal(check_answer(&a), 0);
	assert_int_equal(loader_check_answer(&a, sizeof(a), 1), -EBADMSG);
	REFUSED(a, check_answer, error, -EBUSY);
	REFUSED(a, check_answer, why[0], '\0');
	/* Of a DETACH or a PROBE. */
	a.error = 0;
	a.value = UINT32_MAX;
	assert_int_equal(check_answer(&a), 0);
}

static void test_path(void **state)
{
	char path[LOADER_PATH_MAX], expected[LOADER_PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	snprintf(expected, sizeof(expected), "/sys/fs/bpf/reeve/%ju/4294967295",
		 (uintmax_t)st.st_ino);
	assert_int_equal(loader_pin_path(UINT32_MAX, path), 0);
	assert_string_equal(path, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_attach_members),
		cmocka_unit_test(test_answers),	 cmocka_unit_test(test_failures),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
