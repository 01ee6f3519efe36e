/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels that the message stack leases for its applications: who may, for whom, what it
 * may not do by it, and what is left of it after the core, or reeved, was killed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "fake/reeved.h"
#include "mech/peer.h"
#include "orphan.h"
#include "record.h"
#include "session.h"

#include <cmocka.h>

enum { MEDIA = 2, MEDIA_UID = 1000, MEDIA_GID = 50, OTHER_UID = 1001, STRANGER = 7 };

static struct fake_reeved *fake;

/* Tenant "media": two channels, a megabyte; "other": by its cgroup, nothing set. */
static struct conf *config(void)
{
	static struct conf c;
	struct tenant_conf *media = &c.tenants[MEDIA], *other = &c.tenants[MEDIA + 1];

	conf_defaults(&c);
	c.ntenants = 4;
	str_copy(media->name, sizeof(media->name), "media");
	media->nuids = 1;
	media->uids[0] = (struct id_range){ MEDIA_UID, MEDIA_UID };
	media->ngids = 1;
	media->gids[0] = (struct id_range){ MEDIA_GID, MEDIA_GID };
	media->quota.max[RES_CHANNEL] = 2;
	media->channel = (struct channel_terms){ .memory = 1 << 20, .rate = 8000000, .ports = 4 };
	str_copy(other->name, sizeof(other->name), "other");
	str_copy(other->cgroup, sizeof(other->cgroup), "/other.slice");
	other->quota.max[RES_CHANNEL] = TENANT_CHANNELS;
	assert_int_equal(conf_check(&c, NULL), 0);
	return &c;
}

static int setup(void **state)
{
	struct fake_reeved *before = fake;

	(void)state;
	fake = calloc(1, sizeof(*fake));
	if (!fake)
		return -1;
	fake->before = before;
	fake_start(fake, config());
	return 0;
}

/* Of this very process, which lives on when the core does not. */
static int connect_as(uint32_t slot, uint32_t uid, struct conn **ret)
{
	int pidfd = pidfd_open(getpid(), 0), pair[2];
	struct pp_accept m = {
		.head.type = PP_ACCEPT,
		.conn = { .slot = slot, .use = 1 },
		.door = PP_DOOR_NATIVE,
		.peer = { .pid = (uint32_t)getpid(), .uid = uid },
	};

	m.peer.start_time = peer_number(pidfd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	conn_accept(&fake->core, &m, pair[0], pidfd);
	*ret = fake->core.conns[slot];
	assert_non_null(*ret);
	return pair[1];
}

static const char *say(struct conn *c, int fd, const char *method, const char *parameters)
{
	static char text[8192];
	int len = snprintf(text, sizeof(text), "{\"method\":\"io.reeve.%s\",\"parameters\":{%s}}",
			   method, parameters);
	ssize_t n;

	assert_int_equal(send(fd, text, (size_t)len + 1, MSG_NOSIGNAL), len + 1);
	native_events(c, EPOLLIN);
	fake_answer(fake);
	native_events(c, EPOLLOUT);
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void assert_has(const char *answer, const char *text)
{
	if (!strstr(answer, text))
		fail_msg("%s not in %s", text, answer);
}

static void assert_refused(const char *answer, const char *error, const char *why)
{
	char want[64];

	snprintf(want, sizeof(want), "\"error\":\"io.reeve.%s\"", error);
	assert_has(answer, want);
	assert_has(answer, why);
}

static int act_for(uint32_t slot, const char *whom, struct conn **ret)
{
	int fd = connect_as(slot, REEVE_NET_UID, ret);

	assert_has(say(*ret, fd, "ActFor", whom), "\"tenant\":");
	return fd;
}

static int act_for_media(uint32_t slot, struct conn **ret)
{
	return act_for(slot, "\"uid\":1000,\"gid\":9,\"pid\":77,\"name\":\"app\"", ret);
}

static const char *acquire(struct conn *c, int fd, unsigned number)
{
	char text[64];

	snprintf(text, sizeof(text), "\"number\":%u,\"bytes\":4096", number);
	return say(c, fd, "AcquireChannel", text);
}

static uint32_t used(const char *tenant)
{
	struct tenant t;

	for (uint32_t slot = 0; slot < TENANT_MAX; slot++)
		if (ledger_tenant(fake->core.ledger, slot, &t) == 0 && !strcmp(t.name, tenant))
			return t.used[RES_CHANNEL];
	fail_msg("there is no tenant %s", tenant);
	return 0;
}

static uint32_t instances(void)
{
	struct ledger_totals t;

	ledger_totals(fake->core.ledger, &t);
	assert_int_equal(ledger_verify(fake->core.ledger), 0);
	return t.instances;
}

static void test_the_stack_alone(void **state)
{
	static const uint32_t uids[] = { 0, MEDIA_UID, STRANGER, REEVE_CORE_UID };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(uids); i++) {
		struct conn *c;
		int fd = connect_as(i, uids[i], &c);
		uint32_t tenant = c->tenant;

		assert_refused(say(c, fd, "ActFor", "\"uid\":1000,\"gid\":9"), "Denied",
			       "only the message stack acts for others");
		assert_refused(say(c, fd, "ReleaseLost", ""), "Denied",
			       "only the message stack acts for others");
		assert_refused(acquire(c, fd, 1), "Denied",
			       "channels are leased by the message stack");
		assert_true(!conn_acts(c) && c->tenant == tenant && !c->instance);
		assert_int_equal(c->admin, uids[i] == 0);
	}
	assert_int_equal(instances(), 0);
}

static void test_a_lease(void **state)
{
	struct instance in;
	struct conn *c;
	int fd = act_for_media(0, &c);
	const char *answer = acquire(c, fd, 5);

	(void)state;
	assert_has(answer, "\"resource\":\"channel 5\"");
	assert_has(answer, "\"tenant\":\"media\"");
	assert_has(answer, "\"uid\":1000,\"pid\":77,\"name\":\"app\"");
	assert_has(answer, "\"memory\":1048576");
	assert_has(answer, "\"ports\":4");
	assert_has(answer, "\"rate\":8000000");
	assert_int_equal(ledger_instance(fake->core.ledger, c->instance, &in), 0);
	assert_int_equal(in.kind, INSTANCE_STACK);
	assert_int_equal(in.uid, MEDIA_UID);
	assert_int_equal(in.gid, 9);
	assert_int_equal(in.pid, getpid());
	assert_int_equal(in.claimed_pid, 77);
	assert_string_equal(in.name, "app");
	assert_int_equal(used("media"), 1);
	close(fd);
	conn_hung_up(c);
	assert_int_equal(used("media"), 0);
	assert_int_equal(instances(), 0);
}

static void test_no_limits_are_none(void **state)
{
	struct conn *c;
	int fd = act_for(0, "\"uid\":7,\"gid\":7", &c);
	const char *answer = acquire(c, fd, 5);

	(void)state;
	assert_has(answer, "\"tenant\":\"default\"");
	assert_null(strstr(answer, "\"memory\""));
	assert_null(strstr(answer, "\"ports\""));
	assert_null(strstr(answer, "\"rate\""));
}

/* By uid, by a supplementary group, by the cgroup before both; root is system. */
static void test_tenants(void **state)
{
	static const struct {
		const char *whom, *tenant;
	} cases[] = {
		{ "\"uid\":1000,\"gid\":9", "media" },
		{ "\"uid\":7,\"gid\":50", "media" },
		{ "\"uid\":7,\"gid\":9,\"groups\":[3,50]", "media" },
		{ "\"uid\":7,\"gid\":9,\"groups\":[]", "default" },
		{ "\"uid\":1000,\"gid\":50,\"cgroup\":\"/other.slice/a\"", "other" },
		{ "\"uid\":1000,\"gid\":50,\"cgroup\":\"/\"", "media" },
		{ "\"uid\":0,\"gid\":0", "system" },
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char want[64];
		struct conn *c;
		int fd = connect_as(i, REEVE_NET_UID, &c);

		snprintf(want, sizeof(want), "\"tenant\":\"%s\"", cases[i].tenant);
		assert_has(say(c, fd, "ActFor", cases[i].whom), want);
		assert_false(c->admin);
	}
}

static void test_quota(void **state)
{
	struct conn *a, *b, *other;
	int fd_a = act_for_media(0, &a), fd_b = act_for(1, "\"uid\":8,\"gid\":50", &b);
	int fd_other = act_for(2, "\"uid\":7,\"gid\":7", &other);

	(void)state;
	assert_has(acquire(a, fd_a, 1), "channel 1");
	assert_has(acquire(b, fd_b, 2), "channel 2");
	assert_refused(acquire(b, fd_b, 3), "QuotaExceeded",
		       "the tenant's quota of channels is used up");
	assert_refused(acquire(a, fd_a, 3), "QuotaExceeded",
		       "the tenant's quota of channels is used up");
	assert_has(acquire(other, fd_other, 3), "channel 3");
	assert_refused(acquire(other, fd_other, 1), "Taken", "it is leased already");
	conn_hung_up(a);
	assert_has(acquire(b, fd_b, 4), "channel 4");
	assert_int_equal(used("media"), 2);
}

static void test_memory_of_one(void **state)
{
	struct conn *c;
	int fd = act_for_media(0, &c);

	(void)state;
	assert_refused(say(c, fd, "AcquireChannel", "\"number\":1,\"bytes\":1048577"),
		       "QuotaExceeded", "the tenant's channels may not have so much memory");
	assert_has(say(c, fd, "AcquireChannel", "\"number\":1,\"bytes\":1048576"), "channel 1");
}

static void test_release(void **state)
{
	struct conn *a, *b, *root;
	int fd_a = act_for_media(0, &a), fd_b = act_for_media(1, &b);
	int fd_root = connect_as(2, 0, &root);
	struct lease l = { 0 };
	char lease[32];

	(void)state;
	assert_has(acquire(a, fd_a, 1), "channel 1");
	assert_int_equal(ledger_next_lease(fake->core.ledger, 0, &l), 0);
	snprintf(lease, sizeof(lease), "\"lease\":%llu", (unsigned long long)l.id);
	assert_has(say(b, fd_b, "Release", lease), "NotYours");
	assert_refused(say(root, fd_root, "Release", lease), "Unsupported",
		       "a channel ends with its application");
	assert_int_equal(used("media"), 1);
	assert_null(strstr(say(a, fd_a, "Release", lease), "error"));
	assert_int_equal(used("media"), 0);
	assert_has(say(a, fd_a, "Release", lease), "NoSuchLease");
}

/* Nothing that is not about channels, nor of another tenant, whoever it is for. */
static void test_what_it_may_not(void **state)
{
	static const struct {
		const char *method, *parameters;
	} calls[] = {
		{ "Acquire", "\"kind\":\"lcore\",\"count\":1" },
		{ "Explain", "\"kind\":\"lcore\",\"count\":1" },
		{ "DescribeHost", "" },
		{ "ListNics", "" },
		{ "AcquireQueues", "\"nic\":\"eth0\"" },
		{ "AddPort", "\"nic\":\"eth0\",\"port\":5" },
		{ "AcquireAddress", "\"nic\":\"eth0\",\"address\":\"10.0.0.1\"" },
		{ "AddFlow", "\"nic\":\"eth0\",\"queue\":1,\"source_port\":5" },
		{ "OpenSocket", "\"lease\":1" },
		{ "ListPorts", "" },
		{ "Events", "" },
		{ "HoldPlane", "\"plane\":\"mtl\"" },
		{ "Upgrade", "" },
		{ "Stop", "" },
		{ "ReleaseLost", "" },
		{ "ActFor", "\"uid\":0,\"gid\":0" },
	};
	struct conn *c, *media;
	int fd = act_for(0, "\"uid\":0,\"gid\":0", &c), fd_media = act_for_media(1, &media);
	const char *answer;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		assert_has(say(c, fd, calls[i].method, calls[i].parameters), "io.reeve.Denied");
	assert_has(acquire(media, fd_media, 1), "channel 1");
	assert_has(acquire(c, fd, 2), "channel 2");
	answer = say(c, fd, "ListLeases", "");
	assert_has(answer, "channel 2");
	assert_null(strstr(answer, "channel 1"));
	assert_null(strstr(say(c, fd, "ListInstances", ""), "media"));
	assert_null(strstr(say(c, fd, "ListTenants", ""), "media"));
	assert_has(say(c, fd, "Status", ""), "\"admin\":false");
}

static void test_a_connection_that_is_somebody(void **state)
{
	struct conn *c;
	int fd = connect_as(0, REEVE_NET_UID, &c);

	(void)state;
	assert_has(say(c, fd, "Acquire", "\"kind\":\"lcore\",\"count\":1"), "lcore");
	assert_refused(say(c, fd, "ActFor", "\"uid\":1000,\"gid\":9"), "Denied",
		       "the connection stands for somebody already");
	assert_false(conn_acts(c));
}

/* The share of connections is the application's, and is there again afterwards. */
static void test_shares(void **state)
{
	struct core *core = &fake->core;
	struct conn *c, *other;
	int fd;

	(void)state;
	core->fd_budget = 40;
	for (uint32_t slot = 0;; slot++) {
		const char *answer;

		fd = connect_as(slot, REEVE_NET_UID, &c);
		answer = say(c, fd, "ActFor", "\"uid\":1000,\"gid\":9");
		if (!strstr(answer, "error"))
			continue;
		assert_refused(answer, "Busy",
			       "its uid or tenant holds its share of the connections");
		assert_true(!conn_acts(c) && !c->instance && slot > 10);
		fd = connect_as(slot + 1, REEVE_NET_UID, &other);
		assert_null(strstr(say(other, fd, "ActFor", "\"uid\":7,\"gid\":9"), "error"));
		break;
	}
	conns_close_all(core, "the end");
	for (uint32_t slot = 0; slot < TENANT_MAX; slot++)
		assert_int_equal(core->tenants[slot].conns, 0);
	for (uint32_t i = 0; i < UID_BUCKETS; i++)
		assert_null(core->shares[i]);
}

/* Who has leases stays the tenant that they are counted for; whoever acts is no admin. */
static void test_a_new_config(void **state)
{
	struct conf *c = config();
	struct conn *acts;
	int fd = act_for(0, "\"uid\":0,\"gid\":0", &acts);
	uint32_t tenant = acts->tenant;

	(void)state;
	assert_has(acquire(acts, fd, 1), "\"tenant\":\"system\"");
	c->tenants[TENANT_SYSTEM].quota.max[RES_CHANNEL] = 1;
	c->tenants[TENANT_SYSTEM].channel.rate = 1000;
	assert_int_equal(policy_apply(&fake->core, c, 2, NULL), 0);
	assert_true(acts->tenant == tenant && !acts->admin && conn_acts(acts));
	assert_refused(acquire(acts, fd, 2), "QuotaExceeded", "quota of channels");
	c->tenants[TENANT_SYSTEM].quota.max[RES_CHANNEL] = 2;
	assert_int_equal(policy_apply(&fake->core, c, 3, NULL), 0);
	assert_has(acquire(acts, fd, 2), "\"rate\":1000");
}

static struct fake_reeved *next_core(bool fresh)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;

	assert_non_null(next);
	journal_settle(&before->core);
	fake_take_over(next, before, PP_END_KILLED);
	next->core.hello.fresh = fresh;
	fake = next;
	return before;
}

static void test_the_core_is_killed(void **state)
{
	struct fake_reeved *before;
	struct conn *c;
	int fd = act_for_media(0, &c);

	(void)state;
	assert_has(acquire(c, fd, 1), "channel 1");
	before = next_core(false);
	c = fake_resume(fake, before, 0);
	assert_non_null(c);
	fake_resync(fake);
	assert_true(conn_acts(c) && !c->admin);
	assert_int_equal(c->who->uid, MEDIA_UID);
	assert_has(acquire(c, fd, 2), "\"tenant\":\"media\"");
	assert_refused(acquire(c, fd, 3), "QuotaExceeded", "quota of channels");
	assert_has(say(c, fd, "Stop", ""), "Denied");
	conn_hung_up(c);
	assert_int_equal(used("media"), 0);
}

/* Nobody becomes somebody else by a bit that flipped. */
static void test_a_record_that_is_damaged(void **state)
{
	struct fake_reeved *before;
	struct conn *c;

	(void)state;
	act_for_media(0, &c);
	c->kept->native.whom.uid ^= 1;
	before = next_core(false);
	assert_null(fake_resume(fake, before, 0));
}

/* reeved was killed, so the connections are lost; the stack's process goes on. */
static void test_reeved_is_killed(void **state)
{
	struct conn *c, *main_conn;
	int fd, fd_main;

	(void)state;
	fd = act_for_media(0, &c);
	assert_has(acquire(c, fd, 1), "channel 1");
	assert_has(acquire(c, fd, 2), "channel 2");
	fd = act_for(1, "\"uid\":7,\"gid\":7", &c);
	assert_has(acquire(c, fd, 3), "channel 3");
	fd_main = connect_as(2, REEVE_NET_UID, &main_conn);
	assert_has(say(main_conn, fd_main, "Acquire", "\"kind\":\"lcore\",\"count\":1"), "lcore");
	next_core(true);
	fake_resync(fake);
	assert_int_equal(used("media"), 2);
	assert_int_equal(instances(), 3);

	fd_main = connect_as(2, REEVE_NET_UID, &main_conn);
	fd = act_for_media(0, &c);
	assert_refused(acquire(c, fd, 4), "QuotaExceeded", "quota of channels");
	assert_has(acquire(c, fd, 1), "channel 1");
	assert_int_equal(used("media"), 2);
	assert_has(acquire(c, fd, 2), "channel 2");
	assert_int_equal(used("media"), 2);
	assert_int_equal(used("default"), 1);
	/* What belongs to the stack itself stays. */
	assert_has(say(main_conn, fd_main, "ReleaseLost", ""), "\"instances\":1");
	assert_int_equal(used("default"), 0);
	assert_int_equal(used("media"), 2);
	assert_int_equal(instances(), 2);
	assert_has(say(main_conn, fd_main, "ReleaseLost", ""), "\"instances\":0");
	conn_hung_up(c);
	assert_int_equal(used("media"), 0);
}

/* A connection that lives has what it has, whoever asks again; so has another process. */
static void test_only_what_is_lost_is_given_back(void **state)
{
	struct conn *a, *b;
	int fd_a = act_for_media(0, &a), fd_b = act_for_media(1, &b);

	(void)state;
	assert_has(acquire(a, fd_a, 1), "channel 1");
	assert_refused(acquire(b, fd_b, 1), "Taken", "it is leased already");
	assert_refused(acquire(a, fd_a, 1), "Taken", "it is leased already");
	next_core(true);
	fake_resync(fake);
	fd_b = act_for_media(1, &b);
	fake->core.conns[1]->kept->peer.start_time++;
	assert_refused(acquire(b, fd_b, 1), "Taken", "it is leased already");
	fake->core.conns[1]->kept->peer.start_time--;
	assert_has(acquire(b, fd_b, 1), "channel 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_stack_alone, setup),
		cmocka_unit_test_setup(test_a_lease, setup),
		cmocka_unit_test_setup(test_no_limits_are_none, setup),
		cmocka_unit_test_setup(test_tenants, setup),
		cmocka_unit_test_setup(test_quota, setup),
		cmocka_unit_test_setup(test_memory_of_one, setup),
		cmocka_unit_test_setup(test_release, setup),
		cmocka_unit_test_setup(test_what_it_may_not, setup),
		cmocka_unit_test_setup(test_a_connection_that_is_somebody, setup),
		cmocka_unit_test_setup(test_shares, setup),
		cmocka_unit_test_setup(test_a_new_config, setup),
		cmocka_unit_test_setup(test_the_core_is_killed, setup),
		cmocka_unit_test_setup(test_a_record_that_is_damaged, setup),
		cmocka_unit_test_setup(test_reeved_is_killed, setup),
		cmocka_unit_test_setup(test_only_what_is_lost_is_given_back, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
