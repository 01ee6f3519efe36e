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
	assert_true(ledger_bytes() < 18 << 20);
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

	assert_int_equal(ledger_init(NULL, ledger_bytes(), &other), -EINVAL);
	assert_int_equal(ledger_init(mem + 8, ledger_bytes(), &other), -EINVAL);
	assert_int_equal(ledger_init(mem, ledger_bytes() - 1, &other), -EINVAL);
	assert_int_equal(ledger_open(mem, ledger_bytes() - 1, &other), -EBADMSG);
	assert_int_equal(ledger_open(mem + 8, ledger_bytes(), &other), -EBADMSG);
	l->magic++;
	assert_int_equal(ledger_open(mem, ledger_bytes(), &other), -EBADMSG);
	l->magic--;
	l->version++;
	assert_int_equal(ledger_open(mem, ledger_bytes(), &other), -EBADMSG);
	l->version--;
	l->size++;
	assert_int_equal(ledger_open(mem, ledger_bytes(), &other), -EBADMSG);
	l->size--;
	assert_null(other);
	assert_int_equal(ledger_open(mem, ledger_bytes(), &other), 0);
	assert_ptr_equal(other, l);
}

static void open_finds_a_half_done_change(void **state)
{
	struct ledger *l = *state, *other = NULL;

	change_begin(l);
	assert_int_equal(ledger_open(l, ledger_bytes(), &other), -EBADMSG);
	change_end(l);
	assert_int_equal(ledger_open(l, ledger_bytes(), &other), 0);
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
	assert_int_equal(ftruncate(fd, (off_t)ledger_bytes()), 0);
	a = mmap(NULL, ledger_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, ledger_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(a, MAP_FAILED);
	assert_ptr_not_equal(b, MAP_FAILED);
	assert_int_equal(ledger_init(a, ledger_bytes(), &l), 0);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	want = fixture_want(fixture_instance(l, slot[0]), RES_LCORE, 3);
	fixture_hold(l, &host, &want);
	assert_int_equal(ledger_open(b, ledger_bytes(), &other), 0);
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
		TEST(open_finds_a_half_done_change),
		TEST(another_mapping_sees_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
