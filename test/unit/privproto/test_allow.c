/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/privproto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

enum { MEDIA = 2, OTHER, LOOSE };

static struct tenant_conf *add(struct conf *c, const char *name, const char *cgroup)
{
	struct tenant_conf *t = &c->tenants[c->ntenants++];

	str_copy(t->name, sizeof(t->name), name);
	str_copy(t->cgroup, sizeof(t->cgroup), cgroup);
	return t;
}

/* "media" up to a cpuset, "other" up to a partition, "loose" advisory in a cgroup. */
static int setup(void **state)
{
	struct conf *c = malloc(sizeof(*c));

	if (!c)
		return -1;
	conf_defaults(c);
	add(c, "media", "/media")->enforce = ENFORCE_CPUSET;
	add(c, "other", "/other")->enforce = ENFORCE_ISOLATED;
	add(c, "loose", "/loose");
	cpuset_parse("0-15", &c->cpus);
	cpuset_parse("0", &c->never);
	cpuset_parse("4-5", &c->tenants[MEDIA].cpus);
	cpuset_parse("6-7", &c->tenants[OTHER].cpus);
	assert_int_equal(conf_check(c, NULL), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct pp_cpuset ask(uint32_t tenant, uint32_t want, const char *cpus)
{
	struct pp_cpuset m = {
		.head.type = PP_CPUSET,
		.tenant = tenant,
		.want = want,
	};

	assert_int_equal(cpuset_parse(cpus, &m.cpus), 0);
	return m;
}

static void assert_allowed(const struct conf *c, struct pp_cpuset m)
{
	struct err e = { 0 };

	assert_int_equal(pp_allow_cpuset(c, &m, &e), 0);
	assert_int_equal(e.code, 0);
}

static void assert_refused(const struct conf *c, struct pp_cpuset m, int code, const char *sentence)
{
	struct err e = { 0 };

	assert_int_equal(pp_allow_cpuset(c, &m, &e), -code);
	assert_string_equal(e.text, sentence);
	assert_int_equal(pp_allow_cpuset(c, &m, NULL), -code);
}

static void test_own_and_shared_cpus(void **state)
{
	const struct conf *c = *state;

	assert_allowed(c, ask(MEDIA, ENFORCE_CPUSET, "4-5"));
	assert_allowed(c, ask(MEDIA, ENFORCE_CPUSET, "1-5,8-15"));
	assert_allowed(c, ask(OTHER, ENFORCE_CPUSET, "6"));
	assert_allowed(c, ask(OTHER, ENFORCE_ISOLATED, "6"));
}

static void test_taking_the_limit_away(void **state)
{
	const struct conf *c = *state;

	assert_allowed(c, ask(MEDIA, ENFORCE_CPUSET, ""));
	assert_allowed(c, ask(MEDIA, ENFORCE_ADVISORY, ""));
	assert_refused(c, ask(MEDIA, ENFORCE_ADVISORY, "4"), EINVAL,
		       "advisory leases change no cgroup");
}

static void test_cpus_beyond_the_ceiling(void **state)
{
	const struct conf *c = *state;

	assert_refused(c, ask(MEDIA, ENFORCE_CPUSET, "0,4"), EPERM,
		       "CPUs 0 are not for tenant \"media\"");
	assert_refused(c, ask(MEDIA, ENFORCE_CPUSET, "4-7"), EPERM,
		       "CPUs 6-7 are not for tenant \"media\"");
	assert_refused(c, ask(MEDIA, ENFORCE_CPUSET, "15-16,8191"), EPERM,
		       "CPUs 16,8191 are not for tenant \"media\"");
}

static void test_strength_beyond_the_ceiling(void **state)
{
	const struct conf *c = *state;

	assert_refused(c, ask(MEDIA, ENFORCE_ISOLATED, "4"), EPERM,
		       "tenant \"media\" is to be enforced by \"cpuset\" at most");
	assert_refused(c, ask(LOOSE, ENFORCE_CPUSET, "1"), EPERM,
		       "tenant \"loose\" is not to be enforced");
	assert_refused(c, ask(LOOSE, ENFORCE_ADVISORY, ""), EPERM,
		       "tenant \"loose\" is not to be enforced");
	assert_refused(c, ask(TENANT_SYSTEM, ENFORCE_CPUSET, "1"), EPERM,
		       "tenant \"system\" is not to be enforced");
	assert_refused(c, ask(OTHER, ENFORCE_MAX, "6"), EINVAL, "3 is no way to enforce");
}

static void test_no_such_tenant(void **state)
{
	const struct conf *c = *state;

	assert_refused(c, ask(5, ENFORCE_CPUSET, "1"), EINVAL, "there is no tenant 5");
	assert_refused(c, ask(UINT32_MAX, ENFORCE_CPUSET, "1"), EINVAL,
		       "there is no tenant 4294967295");
}

static int plane(const struct conf *c, uint32_t number, uint32_t on, struct err *e)
{
	struct pp_plane m = { .head.type = PP_PLANE, .plane = number, .on = on };

	return pp_allow_plane(c, &m, e);
}

static void test_planes(void **state)
{
	struct conf *c = *state;
	struct err e = { 0 };

	c->planes = 0;
	assert_int_equal(plane(c, PLANE_MTL, 1, &e), 0);
	assert_int_equal(plane(c, PLANE_MTL, 0, &e), 0);
	assert_int_equal(plane(c, PLANE_MAX, 1, &e), -EINVAL);
	assert_string_equal(e.text, "there is no plane 2");
	assert_int_equal(plane(c, UINT32_MAX, 1, &e), -EINVAL);
	assert_int_equal(plane(c, PLANE_MTL, 2, &e), -EINVAL);
	assert_string_equal(e.text, "a plane is on or off, not 2");
}

static void test_a_closed_plane_stays_closed(void **state)
{
	struct conf *c = *state;
	struct err e = { 0 };

	c->planes = 0;
	c->closed = 1U << PLANE_MTL;
	assert_int_equal(plane(c, PLANE_MTL, 1, &e), -EPERM);
	assert_string_equal(e.text, "the configuration keeps plane \"mtl\" closed");
	assert_int_equal(plane(c, PLANE_MTL, 0, &e), 0);
}

/* "ens1" for media and the system, "ens2" closed, and a section for "ens1" alone. */
static void with_nics(struct conf *c)
{
	c->nnics = 1;
	str_copy(c->nics[0].text, NIC_NAME_MAX, "ens1*");
	c->nnic_confs = 1;
	c->nic_confs[0] = (struct nic_conf){
		.name = { "ens1" }, .form = NIC_WANT_SINGLE, .system_queues = 2, .soft_flows = 1
	};
	c->tenants[MEDIA].quota.max[RES_XDP] = 1;
	c->tenants[OTHER].quota.max[RES_XDP] = 1;
	c->tenants[OTHER].nnics = 1;
	str_copy(c->tenants[OTHER].nics[0].text, NIC_NAME_MAX, "ens9");
	c->tenants[LOOSE].quota.max[RES_XDP] = 0;
	assert_int_equal(conf_check(c, NULL), 0);
}

static int open_nic(const struct conf *c, const char *asked, uint32_t form, const char *now,
		    struct err *e)
{
	struct pp_nic_open m = { .head.type = PP_NIC_OPEN, .ifindex = 7, .form = form };

	str_copy(m.name, sizeof(m.name), asked);
	return pp_allow_nic_open(c, &m, now, e);
}

static void test_interfaces(void **state)
{
	struct conf *c = *state;
	struct err e = { 0 };

	with_nics(c);
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_SINGLE, "ens1", &e), 0);
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_SINGLE, "ens2", &e), -ENODEV);
	assert_string_equal(e.text, "interface 7 is not the one it was");
	assert_int_equal(open_nic(c, "ens2", NIC_WANT_SINGLE, "ens2", &e), -EPERM);
	assert_string_equal(e.text, "the configuration keeps reeve from ens2");
	c->no_nics = 1;
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_SINGLE, "ens1", &e), -EPERM);
}

static void test_the_form_is_the_configs(void **state)
{
	struct conf *c = *state;
	struct err e = { 0 };

	with_nics(c);
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_DISPATCHER, "ens1", &e), -EPERM);
	assert_string_equal(e.text, "the configuration opens ens1 as \"single\" only");
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_EITHER, "ens1", &e), -EPERM);
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_AUTO, "ens1", &e), -EINVAL);
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_MAX, "ens1", &e), -EINVAL);
	/* No section: all is left open. */
	for (uint32_t form = NIC_WANT_DISPATCHER; form < NIC_WANT_MAX; form++)
		assert_int_equal(open_nic(c, "ens1f0", form, "ens1f0", &e), 0);
	c->nic_confs[0].form = NIC_WANT_DISPATCHER;
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_DISPATCHER, "ens1", &e), 0);
	assert_int_equal(open_nic(c, "ens1", NIC_WANT_SINGLE, "ens1", &e), -EPERM);
}

static int own(const struct conf *c, uint32_t tenant, const char *now, struct err *e)
{
	struct pp_nic_owner m = { .head.type = PP_NIC_OWNER, .tenant = tenant, .on = 1 };

	return pp_allow_nic_owner(c, &m, now, e);
}

static void test_whose_an_interface_is(void **state)
{
	struct conf *c = *state;
	struct err e = { 0 };

	with_nics(c);
	assert_int_equal(own(c, MEDIA, "ens1", &e), 0);
	assert_int_equal(own(c, MEDIA, "ens2", &e), -EPERM);
	assert_int_equal(own(c, OTHER, "ens1", &e), -EPERM);
	assert_string_equal(e.text, "ens1 is not for tenant \"other\"");
	assert_int_equal(own(c, LOOSE, "ens1", &e), -EPERM);
	assert_int_equal(own(c, 5, "ens1", &e), -EINVAL);
	assert_string_equal(e.text, "there is no tenant 5");
	assert_int_equal(own(c, UINT32_MAX, "ens1", &e), -EINVAL);
}

static void test_queues_of_the_system(void **state)
{
	struct pp_nic_queue m = { .head.type = PP_NIC_QUEUE, .queue = 1, .on = 1 };
	struct conf *c = *state;
	struct err e = { 0 };

	with_nics(c);
	assert_int_equal(pp_allow_nic_queue(c, &m, "ens1", &e), -EPERM);
	assert_string_equal(e.text, "queue 1 of ens1 is kept for the system");
	assert_int_equal(pp_allow_nic_queue(c, &m, "ens1f0", &e), 0);
	m.queue = 2;
	assert_int_equal(pp_allow_nic_queue(c, &m, "ens1", &e), 0);
	m.queue = 0;
	assert_int_equal(pp_allow_nic_queue(c, &m, "ens1f0", &e), -EPERM);
	m.on = 0;
	assert_int_equal(pp_allow_nic_queue(c, &m, "ens1f0", &e), 0);
}

static void test_addresses(void **state)
{
	struct pp_nic_address m = { .head.type = PP_NIC_ADDRESS, .on = 1 };
	struct conf *c = *state;
	struct tenant_conf *t = &c->tenants[MEDIA];
	struct err e = { 0 };

	with_nics(c);
	assert_int_equal(ipaddr_parse("10.1.0.9", &m.address), 0);
	assert_int_equal(pp_allow_nic_address(c, &m, t->name, &e), -EPERM);
	t->nnets = 1;
	t->quota.max[RES_ADDRESS] = 1;
	assert_int_equal(ip_net_parse("10.1.0.0/24", t->nets), 0);
	assert_int_equal(pp_allow_nic_address(c, &m, t->name, &e), 0);
	assert_int_equal(pp_allow_nic_address(c, &m, "other", &e), -EPERM);
	assert_string_equal(e.text, "address 10.1.0.9 is not for tenant \"other\"");
	assert_int_equal(pp_allow_nic_address(c, &m, "nobody", &e), -EPERM);
	assert_int_equal(ipaddr_parse("10.1.1.9", &m.address), 0);
	assert_int_equal(pp_allow_nic_address(c, &m, t->name, &e), -EPERM);
	assert_int_equal(pp_allow_nic_address(c, &m, "system", &e), 0);
	m.on = 0;
	assert_int_equal(pp_allow_nic_address(c, &m, t->name, &e), 0);
}

static void test_software_flows(void **state)
{
	struct pp_nic_flow m = { .head.type = PP_NIC_FLOW, .soft = 1, .on = 1 };
	struct conf *c = *state;
	struct err e = { 0 };

	with_nics(c);
	assert_int_equal(pp_allow_nic_flow(c, &m, "ens1", &e), 0);
	assert_int_equal(pp_allow_nic_flow(c, &m, "ens1f0", &e), -EPERM);
	assert_string_equal(e.text, "the configuration has no software flows on ens1f0");
	m.on = 0;
	assert_int_equal(pp_allow_nic_flow(c, &m, "ens1f0", &e), 0);
	m = (struct pp_nic_flow){ .head.type = PP_NIC_FLOW, .on = 1 };
	assert_int_equal(pp_allow_nic_flow(c, &m, "ens1f0", &e), 0);
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(test_own_and_shared_cpus),
		with_conf(test_taking_the_limit_away),
		with_conf(test_cpus_beyond_the_ceiling),
		with_conf(test_strength_beyond_the_ceiling),
		with_conf(test_no_such_tenant),
		with_conf(test_planes),
		with_conf(test_a_closed_plane_stays_closed),
		with_conf(test_interfaces),
		with_conf(test_the_form_is_the_configs),
		with_conf(test_whose_an_interface_is),
		with_conf(test_queues_of_the_system),
		with_conf(test_addresses),
		with_conf(test_software_flows),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
