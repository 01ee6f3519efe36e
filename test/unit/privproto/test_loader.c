/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/loader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "privproto/nic.h"

#include <cmocka.h>

static struct loader_request request(uint32_t op)
{
	return (struct loader_request){
		.magic = LOADER_MAGIC,
		.version = LOADER_VERSION,
		.op = op,
		.ifindex = 2,
		.form = NIC_WANT_SINGLE,
		.slot = 1,
		.owner = 1,
		.xsk = { .name = "ens1", .frames = 64, .frame_size = 2048, .rx = 64, .fill = 64 },
	};
}

static struct loader_answer answer(enum nic_form form)
{
	return (struct loader_answer){ .magic = LOADER_MAGIC,
				       .version = LOADER_VERSION,
				       .op = LOADER_ATTACH,
				       .form = form,
				       .mode = NIC_MODE_NATIVE,
				       .nfds = form == NIC_FORM_SINGLE ? 5 : 2 };
}

static int check(const struct loader_request *q)
{
	return loader_check_request(q, sizeof(*q), loader_request_fds(q->op));
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
	unsigned nfds;

	(void)state;
	for (uint32_t op = LOADER_ATTACH; op < LOADER_OP_MAX; op++) {
		q = request(op);
		assert_int_equal(check(&q), 0);
		nfds = loader_request_fds(op);
		assert_int_equal(nfds, op == LOADER_OWNER ? 2 : 0);
		assert_int_equal(loader_check_request(&q, sizeof(q) - 1, nfds), -EBADMSG);
		assert_int_equal(loader_check_request(&q, sizeof(q) + 1, nfds), -EBADMSG);
		assert_int_equal(loader_check_request(&q, sizeof(q), nfds + 1), -EBADMSG);
		assert_int_equal(loader_check_request(&q, sizeof(q), nfds - 1), -EBADMSG);
		REFUSED(q, check, magic, LOADER_MAGIC + 1);
		REFUSED(q, check, version, LOADER_VERSION + 1);
		REFUSED(q, check, op, 0);
		REFUSED(q, check, op, LOADER_OP_MAX);
	}
	assert_int_equal(loader_check_request(NULL, 0, 0), -EBADMSG);
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

static void test_owner_members(void **state)
{
	struct loader_request q = request(LOADER_OWNER);

	(void)state;
	REFUSED(q, check, slot, 0);
	REFUSED(q, check, slot, LOADER_SLOTS);
	REFUSED(q, check, owner, 0);
	REFUSED(q, check, owner, PP_OWNERS_MAX + 1);
	q.slot = LOADER_SLOTS - 1;
	q.owner = PP_OWNERS_MAX;
	q.ifindex = 0;
	assert_int_equal(check(&q), 0);
}

static void test_xsk_members(void **state)
{
	struct loader_request q = request(LOADER_XSK);

	(void)state;
	REFUSED(q, check, ifindex, 0);
	REFUSED(q, check, xsk.queue, NIC_QUEUES_MAX);
	REFUSED(q, check, xsk.frames, PP_XSK_FRAMES_MAX + 1);
	REFUSED(q, check, xsk.frame_size, LOADER_FRAME_SIZE_MAX + 1);
	REFUSED(q, check, xsk.rx, PP_XSK_RING_MAX + 1);
	REFUSED(q, check, xsk.tx, PP_XSK_RING_MAX + 1);
	REFUSED(q, check, xsk.fill, PP_XSK_RING_MAX + 1);
	REFUSED(q, check, xsk.comp, PP_XSK_RING_MAX + 1);
	REFUSED(q, check, xsk.name[0], '\0');
	REFUSED(q, check, xsk.name[1], '/');
	memset(q.xsk.name, 'e', sizeof(q.xsk.name));
	assert_int_equal(check(&q), -EBADMSG);
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
		REFUSED(a, check_answer, op, 0);
		REFUSED(a, check_answer, op, LOADER_OP_MAX);
		REFUSED(a, check_answer, op, LOADER_DETACH);
		REFUSED(a, check_answer, op, LOADER_OWNER);
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

/* Nothing is attached: two descriptors and no form. */
static void test_made(void **state)
{
	struct loader_answer a = {
		.magic = LOADER_MAGIC, .version = LOADER_VERSION, .op = LOADER_OWNER, .nfds = 2
	};

	(void)state;
	for (; a.op <= LOADER_XSK; a.op++) {
		assert_int_equal(check_answer(&a), 0);
		assert_int_equal(loader_check_answer(&a, sizeof(a), 1), -EBADMSG);
		REFUSED(a, check_answer, nfds, 0);
		REFUSED(a, check_answer, nfds, 1);
		REFUSED(a, check_answer, nfds, 3);
		REFUSED(a, check_answer, form, NIC_FORM_SINGLE);
		REFUSED(a, check_answer, mode, NIC_MODE_NATIVE);
		REFUSED(a, check_answer, op, LOADER_DETACH);
		REFUSED(a, check_answer, error, EBUSY);
	}
	a.op = LOADER_XSK;
	a.value = 1;
	assert_int_equal(check_answer(&a), 0);
	REFUSED(a, check_answer, value, 2);
}

static void test_failures(void **state)
{
	struct loader_answer a = { .magic = LOADER_MAGIC,
				   .version = LOADER_VERSION,
				   .op = LOADER_ATTACH,
				   .error = EBUSY,
				   .why = "somebody is there" };

	(void)state;
	for (a.op = LOADER_ATTACH; a.op < LOADER_OP_MAX; a.op++) {
		assert_int_equal(check_answer(&a), 0);
		assert_int_equal(loader_check_answer(&a, sizeof(a), 1), -EBADMSG);
		REFUSED(a, check_answer, error, -EBUSY);
		REFUSED(a, check_answer, why[0], '\0');
	}
	a.op = LOADER_DETACH;
	a.error = 0;
	assert_int_equal(check_answer(&a), 0);
	a.op = LOADER_PROBE;
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
		cmocka_unit_test(test_requests),      cmocka_unit_test(test_attach_members),
		cmocka_unit_test(test_owner_members), cmocka_unit_test(test_xsk_members),
		cmocka_unit_test(test_answers),	      cmocka_unit_test(test_made),
		cmocka_unit_test(test_failures),      cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
