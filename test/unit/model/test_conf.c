/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

/* A sound configuration with two tenants, "a" and "b", at 2 and 3. */
static int setup(void **state)
{
	struct conf *c = malloc(sizeof(*c));

	if (!c)
		return -1;
	conf_defaults(c);
	c->ntenants = 4;
	str_copy(c->tenants[2].name, TENANT_NAME_MAX, "a");
	str_copy(c->tenants[3].name, TENANT_NAME_MAX, "b");
	c->tenants[2].uids[c->tenants[2].nuids++] = (struct id_range){ 1000, 1999 };
	c->tenants[3].gids[c->tenants[3].ngids++] = (struct id_range){ 100, 100 };
	str_copy(c->tenants[3].cgroup, PEER_CGROUP_MAX, "/b.slice");
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void assert_refused(const struct conf *c, int code, const char *sentence)
{
	struct err e = { 0 };

	assert_int_equal(conf_check(c, &e), -code);
	assert_int_equal(e.code, code);
	assert_string_equal(e.text, sentence);
	assert_int_equal(conf_check(c, NULL), -code);
}

static void test_defaults(void **state)
{
	struct conf *c = *state;

	conf_defaults(c);
	assert_int_equal(conf_check(c, NULL), 0);
	assert_int_equal(c->planes, 1U << PLANE_MTL);
	assert_int_equal(c->closed, 0);
	assert_string_equal(c->mtl_path, "/var/run/imtl/mtl_manager.sock");
	assert_int_equal(cpuset_count(&c->cpus), CPU_MAX);
	assert_true(cpuset_empty(&c->never));
	assert_int_equal(c->ntenants, 2);
	assert_int_equal(c->log_format, LOG_FORMAT_MAX);
	assert_int_equal(c->log_level, LOG_LEVEL_MAX);
	assert_int_equal(c->core_uid, REEVE_CORE_UID);
	assert_int_equal(c->net_uid, REEVE_NET_UID);
	assert_string_equal(c->stack_config, "/etc/reeve/machnet.json");
	assert_int_equal(c->admin_gid, CONF_NO_GID);
}

static void test_default_tenants(void **state)
{
	struct conf *c = *state;

	conf_defaults(c);
	assert_string_equal(c->tenants[TENANT_DEFAULT].name, "default");
	assert_string_equal(c->tenants[TENANT_SYSTEM].name, "system");
	for (int kind = 0; kind < RES_KIND_MAX; kind++) {
		assert_int_equal(c->tenants[TENANT_DEFAULT].quota.max[kind],
				 kind == RES_LCORE     ? 16
				 : kind == RES_CHANNEL ? TENANT_CHANNELS
						       : 0);
		assert_int_equal(c->tenants[TENANT_SYSTEM].quota.max[kind], QUOTA_NONE);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(c->tenants[i].enforce, ENFORCE_ADVISORY);
		assert_int_equal(c->tenants[i].time_limit_ns, 0);
		assert_int_equal(c->tenants[i].channel.memory, 0);
		assert_int_equal(c->tenants[i].channel.rate, 0);
		assert_int_equal(c->tenants[i].channel.ports, 0);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < ENFORCE_MAX; i++)
		assert_int_equal(enforce_parse(enforce_name((uint32_t)i)), i);
	for (int i = 0; i < PLANE_MAX; i++)
		assert_int_equal(plane_parse(plane_name((uint32_t)i)), i);
	assert_string_equal(enforce_name(ENFORCE_ISOLATED), "isolated");
	assert_string_equal(plane_name(PLANE_MTL), "mtl");
	assert_null(enforce_name(ENFORCE_MAX));
	assert_null(plane_name(PLANE_MAX));
	assert_int_equal(enforce_parse("hard"), -ENOENT);
	assert_int_equal(plane_parse(""), -ENOENT);
}

static void test_sound(void **state)
{
	struct conf *c = *state;

	assert_int_equal(conf_check(c, NULL), 0);
	cpuset_add(&c->tenants[2].cpus, 4);
	cpuset_add(&c->tenants[3].cpus, 5);
	cpuset_add(&c->never, 0);
	c->tenants[3].enforce = ENFORCE_ISOLATED;
	c->tenants[3].time_limit_ns = CONF_TIME_LIMIT_MAX_NS;
	/* Another kind of rule: a uid beats a gid, so these do not compete. */
	c->tenants[3].gids[0] = (struct id_range){ 1000, 1000 };
	/* The same tenant twice is no conflict either. */
	c->tenants[2].uids[c->tenants[2].nuids++] = (struct id_range){ 1000, 1000 };
	assert_int_equal(conf_check(c, NULL), 0);
}

static void test_head(void **state)
{
	struct conf *c = *state;

	c->magic++;
	assert_refused(c, EBADMSG, "the configuration is another version's");
	c->magic--;
	c->version++;
	assert_refused(c, EBADMSG, "the configuration is another version's");
	c->version--;
	c->size--;
	assert_refused(c, EBADMSG, "the configuration is another version's");
	c->size++;
	c->ntenants = 1;
	assert_refused(c, EBADMSG, "the configuration has 1 tenants");
	c->ntenants = TENANT_MAX + 1;
	assert_refused(c, EBADMSG, "the configuration has 65 tenants");
}

static void test_planes_and_log(void **state)
{
	struct conf *c = *state;

	c->closed = 1U << PLANE_MTL;
	assert_refused(c, EINVAL, "a plane is both on and closed for good");
	c->planes = 0;
	assert_int_equal(conf_check(c, NULL), 0);
	c->planes = 1U << PLANE_MAX;
	assert_refused(c, EBADMSG, "the configuration names unknown planes");
	c->planes = 0;
	c->closed = 1U << 31;
	assert_refused(c, EBADMSG, "the configuration names unknown planes");
	c->closed = 0;
	c->log_level = LOG_LEVEL_MAX + 1;
	assert_refused(c, EBADMSG, "the log's format or level is no known one");
	c->log_level = LOG_INFO;
	c->log_format = UINT32_MAX;
	assert_refused(c, EBADMSG, "the log's format or level is no known one");
}

static void test_the_core_is_never_root(void **state)
{
	struct conf *c = *state;

	c->core_uid = 0;
	assert_refused(c, EINVAL, "reeve-core must not run as root, nor in root's group");
	c->core_uid = 5;
	c->core_gid = 0;
	assert_refused(c, EINVAL, "reeve-core must not run as root, nor in root's group");
	c->core_gid = UINT32_MAX;
	assert_refused(c, EINVAL, "reeve-core has no user or group to run as");
}

static void test_the_stack_is_neither_root_nor_the_core(void **state)
{
	struct conf *c = *state;

	c->net_uid = 0;
	assert_refused(c, EINVAL, "reeve-netd must not run as root, nor in root's group");
	c->net_uid = 5;
	c->net_gid = 0;
	assert_refused(c, EINVAL, "reeve-netd must not run as root, nor in root's group");
	c->net_gid = UINT32_MAX;
	assert_refused(c, EINVAL, "reeve-netd has no user or group to run as");
	c->net_gid = 5;
	c->net_uid = c->core_uid;
	assert_refused(c, EINVAL, "reeve-netd must not run as the user of reeve-core");
}

static void test_stack_config(void **state)
{
	struct conf *c = *state;

	c->stack_config[0] = 'x';
	assert_refused(c, EINVAL, "config \"xetc/reeve/machnet.json\" does not begin with \"/\"");
	c->stack_config[0] = '/';
	c->stack_socket[0] = 'x';
	assert_refused(c, EINVAL,
		       "socket \"xvar/run/machnet/machnet_ctrl.sock\" does not begin with \"/\"");
	memset(c->stack_config, 'x', sizeof(c->stack_config));
	assert_refused(c, EINVAL, "the path of a config has at most 107 characters");
}

static void test_mtl_path(void **state)
{
	struct conf *c = *state;

	str_copy(c->mtl_path, sizeof(c->mtl_path), "run/x.sock");
	assert_refused(c, EINVAL, "socket \"run/x.sock\" does not begin with \"/\"");
	str_copy(c->mtl_path, sizeof(c->mtl_path), "/run/../x.sock");
	assert_refused(c, EINVAL, "socket \"/run/../x.sock\" contains \"..\"");
	str_copy(c->mtl_path, sizeof(c->mtl_path), "");
	assert_refused(c, EINVAL, "socket \"\" does not begin with \"/\"");
	str_copy(c->mtl_path, sizeof(c->mtl_path), "/run/..x/..");
	assert_refused(c, EINVAL, "socket \"/run/..x/..\" contains \"..\"");
	str_copy(c->mtl_path, sizeof(c->mtl_path), "/run/a\nb");
	assert_refused(c, EINVAL, "socket contains a byte that is no printable ASCII");
	memset(c->mtl_path, 'x', sizeof(c->mtl_path));
	assert_refused(c, EINVAL, "a socket path has at most 107 characters");
	str_copy(c->mtl_path, sizeof(c->mtl_path), "/run/..x/y..z");
	assert_int_equal(conf_check(c, NULL), 0);
}

static void test_cpus(void **state)
{
	struct conf *c = *state;

	cpuset_parse("2-5", &c->cpus);
	cpuset_parse("0-3", &c->never);
	cpuset_parse("4", &c->tenants[2].cpus);
	assert_int_equal(conf_check(c, NULL), 0);
	cpuset_add(&c->tenants[2].cpus, 3);
	assert_refused(c, EINVAL, "CPU 3 is kept for tenant \"a\" but is in `never`");
	cpuset_parse("6", &c->tenants[2].cpus);
	assert_refused(c, EINVAL, "CPU 6 is kept for tenant \"a\" but is not in `cpus`");
	cpuset_parse("4-5", &c->tenants[2].cpus);
	cpuset_parse("5", &c->tenants[3].cpus);
	assert_refused(c, EINVAL, "CPU 5 is kept for tenants \"b\" and \"a\"");
	cpuset_parse("0-5", &c->never);
	assert_refused(c, EINVAL, "no CPU is left to lease: `cpus` without `never` is empty");
}

static void test_reserved_leaves_out_the_tenant_itself(void **state)
{
	struct conf *c = *state;
	struct cpuset s;
	char list[32];

	cpuset_parse("4-5", &c->tenants[2].cpus);
	cpuset_parse("7", &c->tenants[3].cpus);
	conf_reserved(c, 2, &s);
	cpuset_format(&s, list, sizeof(list));
	assert_string_equal(list, "7");
	conf_reserved(c, TENANT_DEFAULT, &s);
	cpuset_format(&s, list, sizeof(list));
	assert_string_equal(list, "4-5,7");
}

static void test_tenant_names(void **state)
{
	struct conf *c = *state;

	str_copy(c->tenants[3].name, TENANT_NAME_MAX, "a");
	assert_refused(c, EINVAL, "two tenants are named \"a\"");
	str_copy(c->tenants[3].name, TENANT_NAME_MAX, "default");
	assert_refused(c, EINVAL, "two tenants are named \"default\"");
	str_copy(c->tenants[3].name, TENANT_NAME_MAX, "");
	assert_refused(c, EINVAL, "a tenant's name has 1 to 31 characters");
	memset(c->tenants[3].name, 'x', TENANT_NAME_MAX);
	assert_refused(c, EINVAL, "a tenant's name has 1 to 31 characters");
	str_copy(c->tenants[3].name, TENANT_NAME_MAX, "b\"\n");
	assert_refused(c, EINVAL,
		       "a tenant's name consists of letters, digits, \"-\", \"_\" and \".\"");
}

static void test_built_in_tenants(void **state)
{
	struct conf *c = *state;

	c->tenants[TENANT_SYSTEM].name[0] = 'S';
	assert_refused(c, EINVAL, "the built-in tenant \"system\" is missing");
	c->tenants[TENANT_SYSTEM].name[0] = 's';
	c->tenants[TENANT_DEFAULT].nuids = 1;
	assert_refused(c, EINVAL, "the built-in tenant \"default\" takes no uids, gids or cgroup");
}

static void test_ids(void **state)
{
	struct conf *c = *state;

	c->tenants[2].uids[0] = (struct id_range){ 9, 8 };
	assert_refused(c, EINVAL, "the uid range 9-8 runs backwards");
	c->tenants[2].uids[0] = (struct id_range){ 9, UINT32_MAX };
	assert_refused(c, EINVAL, "4294967295 is no uid");
	c->tenants[2].uids[0] = (struct id_range){ 0, 100 };
	c->tenants[3].uids[c->tenants[3].nuids++] = (struct id_range){ 100, 200 };
	assert_refused(c, EINVAL, "uid 100 belongs to tenants \"a\" and \"b\"");
	c->tenants[3].uids[0].first++;
	assert_int_equal(conf_check(c, NULL), 0);
	c->tenants[2].gids[c->tenants[2].ngids++] = (struct id_range){ 0, UINT32_MAX - 1 };
	assert_refused(c, EINVAL, "gid 100 belongs to tenants \"a\" and \"b\"");
}

static void test_counts_beyond_the_arrays(void **state)
{
	struct conf *c = *state;

	c->tenants[3].nuids = TENANT_RANGES_MAX + 1;
	assert_refused(c, EINVAL, "a tenant has at most 32 uid ranges");
	c->tenants[3].nuids = UINT32_MAX;
	assert_refused(c, EINVAL, "a tenant has at most 32 uid ranges");
	c->tenants[3].nuids = 0;
	c->tenants[2].ngids = UINT32_MAX;
	assert_refused(c, EINVAL, "a tenant has at most 32 gid ranges");
}

static void test_cgroups(void **state)
{
	struct conf *c = *state;
	char *cgroup = c->tenants[3].cgroup;

	str_copy(cgroup, PEER_CGROUP_MAX, "b.slice");
	assert_refused(c, EINVAL, "cgroup \"b.slice\" does not begin with \"/\"");
	str_copy(cgroup, PEER_CGROUP_MAX, "/");
	assert_refused(c, EINVAL, "cgroup \"/\" ends in \"/\"");
	str_copy(cgroup, PEER_CGROUP_MAX, "/b/");
	assert_refused(c, EINVAL, "cgroup \"/b/\" ends in \"/\"");
	str_copy(cgroup, PEER_CGROUP_MAX, "/b//c");
	assert_refused(c, EINVAL, "cgroup \"/b//c\" contains \"//\"");
	str_copy(cgroup, PEER_CGROUP_MAX, "/b/../../etc");
	assert_refused(c, EINVAL, "cgroup \"/b/../../etc\" contains \"..\"");
	memset(cgroup, '/', PEER_CGROUP_MAX);
	assert_refused(c, EINVAL, "a cgroup path has at most 255 characters");
	str_copy(cgroup, PEER_CGROUP_MAX, "/b");
	str_copy(c->tenants[2].cgroup, PEER_CGROUP_MAX, "/b");
	assert_refused(c, EINVAL, "cgroup \"/b\" belongs to tenants \"a\" and \"b\"");
	str_copy(c->tenants[2].cgroup, PEER_CGROUP_MAX, "/b/below");
	assert_int_equal(conf_check(c, NULL), 0);
}

static void test_enforce_and_time(void **state)
{
	struct conf *c = *state;

	c->tenants[2].enforce = ENFORCE_CPUSET;
	assert_refused(c, EINVAL, "enforce = \"cpuset\" needs a cgroup, and tenant \"a\" has none");
	c->tenants[2].enforce = ENFORCE_MAX;
	assert_refused(c, EINVAL, "enforce is no known way");
	c->tenants[2].enforce = ENFORCE_ADVISORY;
	c->tenants[2].time_limit_ns = CONF_TIME_LIMIT_MAX_NS + 1;
	assert_refused(c, EINVAL, "a time limit is at most 3650 days");
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(test_defaults),
		with_conf(test_default_tenants),
		with_conf(test_names),
		with_conf(test_sound),
		with_conf(test_head),
		with_conf(test_planes_and_log),
		with_conf(test_the_core_is_never_root),
		with_conf(test_the_stack_is_neither_root_nor_the_core),
		with_conf(test_stack_config),
		with_conf(test_mtl_path),
		with_conf(test_cpus),
		with_conf(test_reserved_leaves_out_the_tenant_itself),
		with_conf(test_tenant_names),
		with_conf(test_built_in_tenants),
		with_conf(test_ids),
		with_conf(test_counts_beyond_the_arrays),
		with_conf(test_cgroups),
		with_conf(test_enforce_and_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
