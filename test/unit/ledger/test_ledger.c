/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger/layout.h"

static size_t resident_pages(void *mem)
{
	size_t pages = ledger_bytes() / LEDGER_PAGE, n = 0;
	unsigned char *in = calloc(pages, 1);

	assert_non_null(in);
	assert_int_equal(mincore(mem, ledger_bytes(), in), 0);
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	free(in);
	return n;
}

static void empty_memory_is_untouched(void **state)
{
	struct ledger *l = fixture_ledger();
	struct lease_want want;

	(void)state;
	assert_int_equal(ledger_bytes() % LEDGER_PAGE, 0);
	assert_true(ledger_bytes() < 20 << 20);
	assert_int_equal(resident_pages(l), 1);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 3);
	fixture_hold(l, &host, &want);
	assert_true(resident_pages(l) <= 10);
	fixture_free(l);
}

static void init_and_open_refuse_bad_memory(void **state)
{
	struct ledger *l = *state, *other = NULL;
	char *mem = *state;

	assert_int_equal(ledger_init(NULL, ledger_bytes(), NULL, &other), -EINVAL);
	assert_int_equal(ledger_init(mem + 8, ledger_bytes(), NULL, &other), -EINVAL);
	assert_int_equal(ledger_init(mem, ledger_bytes() - 1, NULL, &other), -EINVAL);
	assert_int_equal(ledger_open(mem, ledger_bytes() - 1, NULL, &other), -EBADMSG);
	assert_int_equal(ledger_open(mem + 8, ledger_bytes(), NULL, &other), -EBADMSG);
	l->magic++;
	assert_int_equal(ledger_open(mem, ledger_bytes(), NULL, &other), -EBADMSG);
	l->magic--;
	l->version++;
	assert_int_equal(ledger_open(mem, ledger_bytes(), NULL, &other), -EBADMSG);
	l->version--;
	l->size++;
	assert_int_equal(ledger_open(mem, ledger_bytes(), NULL, &other), -EBADMSG);
	l->size--;
	assert_null(other);
	assert_int_equal(ledger_open(mem, ledger_bytes(), NULL, &other), 0);
	assert_ptr_equal(other, l);
}

/* It would not look after all of the memory, or not lie where it can be found. */
static void a_log_that_does_not_fit(void **state)
{
	struct ledger *l = *state, *other = NULL;
	struct undo *undo = fixture_undo(l);
	struct undo *behind = (struct undo *)((char *)l + ledger_bytes());

	undo->bytes -= 64;
	assert_int_equal(ledger_open(l, ledger_bytes(), undo, &other), -EBADMSG);
	assert_int_equal(ledger_init(l, ledger_bytes(), undo, &other), -EINVAL);
	undo->bytes += 64;
	assert_int_equal(ledger_open(l, ledger_bytes(), behind, &other), -EBADMSG);
	assert_int_equal(ledger_open(l, ledger_bytes(), undo + 1, &other), -EBADMSG);
	assert_null(other);
	assert_int_equal(ledger_open(l, ledger_bytes(), undo, &other), 0);
	assert_int_equal(l->undo, FIXTURE_LOG);
	assert_int_equal(ledger_open(l, ledger_bytes(), NULL, &other), 0);
	assert_int_equal(l->undo, 0);
}

static void another_mapping_sees_the_same(void **state)
{
	int fd = memfd_create("ledger", MFD_CLOEXEC);
	struct ledger *l, *other;
	struct lease_want want;
	struct lease lease;
	void *a, *b;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)fixture_bytes()), 0);
	a = fixture_memory(fd);
	b = fixture_memory(fd);
	close(fd);
	assert_int_equal(ledger_init(a, ledger_bytes(), fixture_undo(a), &l), 0);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 3);
	fixture_hold(l, &host, &want);
	assert_int_equal(ledger_open(b, ledger_bytes(), fixture_undo(b), &other), 0);
	assert_int_equal(ledger_holder(other, &want.res, &lease), 0);
	assert_int_equal(lease.instance, want.instance);
	assert_int_equal(ledger_instance_end(other, want.instance, 0, "gone"), 0);
	assert_int_equal(ledger_holder(l, &want.res, &lease), -ENOENT);
	fixture_free(a);
	fixture_free(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(empty_memory_is_untouched),
		TEST(init_and_open_refuse_bad_memory),
		TEST(a_log_that_does_not_fit),
		TEST(another_mapping_sees_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
