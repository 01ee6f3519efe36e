/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

enum { MEDIA = 2, NESTED, PEOPLE, ADMINS = 500 };

struct fixture {
	struct conf c;
	struct host h;
	struct rights r;
};

static struct tenant_conf *add(struct conf *c, const char *name)
{
	struct tenant_conf *t = &c->tenants[c->ntenants++];

	str_copy(t->name, sizeof(t->name), name);
	return t;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct tenant_conf *t;

	if (!f)
		return -1;
	conf_defaults(&f->c);
	f->c.admin_gid = ADMINS;
	t = add(&f->c, "media");
	t->uids[t->nuids++] = (struct id_range){ 1000, 1000 };
	t->gids[t->ngids++] = (struct id_range){ 300, 309 };
	str_copy(t->cgroup, sizeof(t->cgroup), "/media.slice");
	t = add(&f->c, "nested");
	t->uids[t->nuids++] = (struct id_range){ 2000, 2010 };
	str_copy(t->cgroup, sizeof(t->cgroup), "/media.slice/nested");
	t = add(&f->c, "people");
	t->gids[t->ngids++] = (struct id_range){ 100, 100 };
	cpuset_parse("0-7", &f->h.usable);
	cpuset_parse("0-7", &f->h.online);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct peer peer(uint32_t uid, uint32_t gid, const char *cgroup)
{
	struct peer p = { .pid = 42, .uid = uid, .gid = gid };

	str_copy(p.cgroup, sizeof(p.cgroup), cgroup);
	return p;
}

static void assert_tenant(const struct fixture *f, struct peer p, uint32_t tenant)
{
	assert_int_equal(policy_tenant(&f->c, &p), tenant);
}

static void assert_cpus(const struct cpuset *s, const char *list)
{
	char text[64];

	cpuset_format(s, text, sizeof(text));
	assert_string_equal(text, list);
}

static void test_strangers_are_default(void **state)
{
	const struct fixture *f = *state;

	assert_tenant(f, peer(4711, 4711, "/user.slice"), TENANT_DEFAULT);
	assert_tenant(f, peer(4711, 4711, ""), TENANT_DEFAULT);
	assert_tenant(f, peer(UINT32_MAX, UINT32_MAX, ""), TENANT_DEFAULT);
}

static void test_root_and_admins_are_system(void **state)
{
	const struct fixture *f = *state;
	struct peer p = peer(4711, 4711, "");

	assert_tenant(f, peer(0, 0, "/init.scope"), TENANT_SYSTEM);
	assert_tenant(f, peer(4711, ADMINS, ""), TENANT_SYSTEM);
	p.groups[p.ngroups++] = 7;
	p.groups[p.ngroups++] = ADMINS;
	assert_tenant(f, p, TENANT_SYSTEM);
	assert_true(policy_admin(&f->c, &p));
	p.ngroups--;
	assert_false(policy_admin(&f->c, &p));
}

/* It has no other right of an administrator's; and a tenant that names its uid has it. */
static void test_the_stack_is_system(void **state)
{
	struct fixture *f = *state;
	struct peer p = peer(f->c.net_uid, f->c.net_gid, "");

	assert_tenant(f, p, TENANT_SYSTEM);
	assert_false(policy_admin(&f->c, &p));
	p.uid++;
	assert_tenant(f, p, TENANT_DEFAULT);
}

static void test_no_admin_group_is_not_group_minus_one(void **state)
{
	struct fixture *f = *state;
	struct peer p = peer(4711, CONF_NO_GID, "");

	f->c.admin_gid = CONF_NO_GID;
	p.groups[p.ngroups++] = CONF_NO_GID;
	assert_false(policy_admin(&f->c, &p));
	p.uid = 0;
	assert_true(policy_admin(&f->c, &p));
}

static void test_a_rule_beats_the_admin_group_but_not_its_rights(void **state)
{
	const struct fixture *f = *state;
	struct peer p = peer(1000, ADMINS, "");

	assert_tenant(f, p, MEDIA);
	assert_true(policy_admin(&f->c, &p));
	assert_tenant(f, peer(0, 0, "/media.slice"), MEDIA);
}

static void test_cgroup_matches_itself_and_below(void **state)
{
	const struct fixture *f = *state;

	assert_tenant(f, peer(4711, 4711, "/media.slice"), MEDIA);
	assert_tenant(f, peer(4711, 4711, "/media.slice/x"), MEDIA);
	assert_tenant(f, peer(4711, 4711, "/media.slice2"), TENANT_DEFAULT);
	assert_tenant(f, peer(4711, 4711, "/media"), TENANT_DEFAULT);
	assert_tenant(f, peer(4711, 4711, "/x/media.slice"), TENANT_DEFAULT);
}

static void test_the_longest_cgroup_wins(void **state)
{
	struct fixture *f = *state;
	struct tenant_conf swap = f->c.tenants[MEDIA];

	assert_tenant(f, peer(4711, 4711, "/media.slice/nested/y"), NESTED);
	assert_tenant(f, peer(4711, 4711, "/media.slice/nestedly"), MEDIA);
	f->c.tenants[MEDIA] = f->c.tenants[NESTED];
	f->c.tenants[NESTED] = swap;
	assert_tenant(f, peer(4711, 4711, "/media.slice/nested/y"), MEDIA);
}

static void test_cgroup_then_uid_then_gid(void **state)
{
	const struct fixture *f = *state;

	assert_tenant(f, peer(2005, 100, "/media.slice"), MEDIA);
	assert_tenant(f, peer(2005, 100, "/other"), NESTED);
	assert_tenant(f, peer(4711, 100, "/other"), PEOPLE);
}

static void test_ranges_hold_both_ends(void **state)
{
	const struct fixture *f = *state;

	assert_tenant(f, peer(1999, 1, ""), TENANT_DEFAULT);
	assert_tenant(f, peer(2000, 1, ""), NESTED);
	assert_tenant(f, peer(2010, 1, ""), NESTED);
	assert_tenant(f, peer(2011, 1, ""), TENANT_DEFAULT);
}

static void test_own_group_before_supplementary(void **state)
{
	const struct fixture *f = *state;
	struct peer p = peer(4711, 305, "");

	p.groups[p.ngroups++] = 100;
	assert_tenant(f, p, MEDIA);
	p.gid = 4711;
	assert_tenant(f, p, PEOPLE);
}

static void test_the_lowest_supplementary_group_decides(void **state)
{
	const struct fixture *f = *state;
	struct peer p = peer(4711, 4711, "");

	p.groups[p.ngroups++] = 309;
	p.groups[p.ngroups++] = 100;
	assert_tenant(f, p, PEOPLE);
	p.groups[0] = 100;
	p.groups[1] = 300;
	assert_tenant(f, p, PEOPLE);
}

static void test_a_count_beyond_the_array_is_cut(void **state)
{
	const struct fixture *f = *state;
	struct peer p = peer(4711, 4711, "");

	p.ngroups = UINT32_MAX;
	assert_tenant(f, p, TENANT_DEFAULT);
	p.groups[PEER_GROUPS_MAX - 1] = 100;
	assert_tenant(f, p, PEOPLE);
}

static void test_rights(void **state)
{
	struct fixture *f = *state;

	cpuset_parse("1-9", &f->c.cpus);
	cpuset_parse("2", &f->c.never);
	cpuset_parse("4-5", &f->c.tenants[MEDIA].cpus);
	cpuset_parse("6", &f->c.tenants[NESTED].cpus);
	policy_rights(&f->c, &f->h, MEDIA, &f->r);
	assert_cpus(&f->r.may, "1,3-5,7");
	assert_cpus(&f->r.own, "4-5");
	assert_cpus(&f->r.reserved, "6");
	assert_cpus(&f->r.never, "2");
	policy_rights(&f->c, &f->h, TENANT_DEFAULT, &f->r);
	assert_cpus(&f->r.may, "1,3,7");
	assert_cpus(&f->r.own, "");
	assert_cpus(&f->r.reserved, "4-6");
}

static void test_rights_end_where_the_host_does(void **state)
{
	struct fixture *f = *state;

	cpuset_parse("4-12", &f->c.tenants[MEDIA].cpus);
	cpuset_parse("0-4,6", &f->h.usable);
	cpuset_del(&f->h.online, 0);
	policy_rights(&f->c, &f->h, MEDIA, &f->r);
	assert_cpus(&f->r.may, "1-4,6");
	assert_cpus(&f->r.own, "4,6");
}

static void test_no_such_tenant_has_no_rights(void **state)
{
	struct fixture *f = *state;

	policy_rights(&f->c, &f->h, f->c.ntenants, &f->r);
	assert_true(cpuset_empty(&f->r.may));
	assert_true(cpuset_empty(&f->r.own));
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(test_strangers_are_default),
		with_conf(test_root_and_admins_are_system),
		with_conf(test_the_stack_is_system),
		with_conf(test_no_admin_group_is_not_group_minus_one),
		with_conf(test_a_rule_beats_the_admin_group_but_not_its_rights),
		with_conf(test_cgroup_matches_itself_and_below),
		with_conf(test_the_longest_cgroup_wins),
		with_conf(test_cgroup_then_uid_then_gid),
		with_conf(test_ranges_hold_both_ends),
		with_conf(test_own_group_before_supplementary),
		with_conf(test_the_lowest_supplementary_group_decides),
		with_conf(test_a_count_beyond_the_array_is_cut),
		with_conf(test_rights),
		with_conf(test_rights_end_where_the_host_does),
		with_conf(test_no_such_tenant_has_no_rights),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
