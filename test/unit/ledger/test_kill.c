/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A writer that is killed between any two instructions. A child makes a change
 * one instruction at a time; whenever it wrote something, the memory is taken
 * over as its successor would: it must be sound, and be byte for byte what it
 * was before the change, or, from the settling on, what it is after it.
 *
 * The same change is made once before on a private copy. It tells which lines
 * are to be watched, and what comes out.
 */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/layout.h"

/* What the changes are made to; ids as build() gives them. */
struct world {
	ledger_id busy;	  /* of tenant 0: holds the leases below and more */
	ledger_id idle;	  /* of tenant 1 */
	ledger_id leaver; /* the last one of tenant 2, which is retired */
	ledger_id timed, core, flow, reserved, unnamed;
	ledger_id four, six, unknown; /* over addresses; of the last it is not known */
};

static struct world w;

struct change {
	const char *name;
	void (*prepare)(struct ledger *l); /* before the first step; NULL: nothing */
	void (*run)(struct ledger *l);
	bool settles; /* more than once: what is in between is sound, too */
};

/* --- a ledger in use ------------------------------------------------------- */

static void fill_ring(struct ledger *l, uint32_t tenant)
{
	for (unsigned i = 0; i < LEDGER_EVENTS + 10; i++) {
		struct event ev = { .type = EVENT_RELOAD, .tenant = tenant };

		ledger_event(l, &ev);
	}
}

static ledger_id hold(struct ledger *l, uint32_t kind, uint64_t id, uint64_t expires)
{
	struct lease_want want = fixture_want(w.busy, kind, id);

	want.expires = expires;
	return fixture_hold(l, NULL, &want);
}

static ledger_id reserve(struct ledger *l, uint32_t kind, uint64_t id)
{
	struct lease_want want = fixture_want(w.busy, kind, id);
	ledger_id lease;

	want.expires = 35;
	assert_int_equal(ledger_reserve(l, NULL, &want, &lease, NULL), 0);
	return lease;
}

static struct ipaddr address(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

static ledger_id hold_address(struct ledger *l, const char *text, bool told)
{
	struct ipaddr a = address(text);
	ledger_id lease = hold(l, RES_ADDRESS, res_address(0, &a).id, 0);

	if (told)
		assert_int_equal(ledger_set_address(l, lease, &a), 0);
	return lease;
}

static const struct flow one_flow = { .queue = 1, .dst_port = 5000 };

static void build(struct ledger *l)
{
	uint32_t uses;

	fixture_conf(&conf, 0, 3, 100);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	fill_ring(l, slot[0]);
	w.busy = fixture_instance(l, slot[0]);
	w.idle = fixture_instance(l, slot[1]);
	w.leaver = fixture_instance(l, slot[2]);
	fixture_conf(&conf, 0, 2, 100);
	assert_int_equal(ledger_set_tenants(l, &conf, slot), 0);
	for (unsigned i = 0; i < 5; i++)
		hold(l, RES_QUEUE, i, 10 + i * 3 % 5);
	w.timed = hold(l, RES_QUEUE, 8, 5);
	w.core = hold(l, RES_LCORE, 1, 0);
	assert_int_equal(ledger_use(l, w.core, &uses), 0);
	w.flow = hold(l, RES_FLOW, 1, 0);
	assert_int_equal(ledger_set_flow(l, w.flow, &one_flow), 0);
	w.four = hold_address(l, "10.0.0.1", true);
	w.six = hold_address(l, "2001:db8::1", true);
	w.unknown = hold_address(l, "2001:db8::2", false);
	w.reserved = reserve(l, RES_QUEUE, 100);
	w.unnamed = reserve(l, RES_FLOW, 200);
	assert_int_equal(ledger_undo(l, reserve(l, RES_QUEUE, 101)), 0);
	undo_settle(fixture_undo(l));
}

/* --- changes ----------------------------------------------------------------- */

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* One goes, one stays, three come. */
static void write_config(struct ledger *l)
{
	(void)l;
	fixture_conf(&conf, 1, 4, 50);
}

static void run_tenants(struct ledger *l)
{
	uint32_t slots[TENANT_MAX];

	check(ledger_set_tenants(l, &conf, slots) == 0);
}

static void run_start(struct ledger *l)
{
	struct instance in = { .kind = INSTANCE_MTL, .tenant = slot[1], .name = "new" };
	ledger_id id;

	check(ledger_instance_start(l, &in, &id) == 0);
}

static void run_claim(struct ledger *l)
{
	char name[LEDGER_NAME_MAX] = "another name";

	check(ledger_instance_claim(l, w.busy, 77, name) == 0);
}

static void run_orphan(struct ledger *l)
{
	check(ledger_instance_orphan(l, w.busy, 1, "gone") == 0);
}

static void run_end(struct ledger *l)
{
	check(ledger_instance_end(l, w.busy, 1, "gone") == 0);
}

static void run_end_of_a_tenant(struct ledger *l)
{
	struct tenant t;

	check(ledger_instance_end(l, w.leaver, 1, "gone") == 0);
	check(ledger_tenant(l, 2, &t) == -ENOENT);
}

static void run_reserve(struct ledger *l)
{
	struct lease_want want = fixture_want(w.idle, RES_LCORE, 9);
	ledger_id id;

	check(ledger_reserve(l, NULL, &want, &id, NULL) == 0);
}

static void run_commit(struct ledger *l)
{
	check(ledger_commit(l, w.reserved) == 0);
}

static void run_undo(struct ledger *l)
{
	check(ledger_undo(l, w.reserved) == 0);
}

static void run_undo_reserved(struct ledger *l)
{
	ledger_undo_reserved(l);
}

static void run_rename(struct ledger *l)
{
	check(ledger_rename(l, w.unnamed, 7) == 0);
}

static void run_use(struct ledger *l)
{
	uint32_t uses;

	check(ledger_use(l, w.core, &uses) == 0);
}

static void run_unuse(struct ledger *l)
{
	uint32_t uses;

	check(ledger_unuse(l, w.core, &uses) == 0 && uses == 1);
}

static void run_release(struct ledger *l)
{
	check(ledger_release(l, w.busy, w.core, 1, "given back") == 0);
}

static void run_revoke(struct ledger *l)
{
	check(ledger_revoke(l, w.flow, 1, "taken back") == 0);
}

static void run_expire(struct ledger *l)
{
	struct lease lease;

	check(ledger_expire(l, 5, 1, &lease) == 0 && lease.id == w.timed);
}

static void run_event(struct ledger *l)
{
	struct event ev = { .type = EVENT_REFUSE, .tenant = slot[0], .why = "no" };

	check(ledger_event(l, &ev) != 0);
}

static void run_set_flow(struct ledger *l)
{
	check(ledger_set_flow(l, w.unnamed, &one_flow) == 0);
}

static void run_set_flow_again(struct ledger *l)
{
	struct flow flow = one_flow;

	flow.dst_port = 5002;
	check(ledger_set_flow(l, w.flow, &flow) == 0);
}

static void run_set_address(struct ledger *l)
{
	struct ipaddr a = address("2001:db8::2");

	check(ledger_set_address(l, w.unknown, &a) == 0);
}

static void run_revoke_address(struct ledger *l)
{
	check(ledger_revoke(l, w.four, 1, "taken back") == 0);
	check(ledger_revoke(l, w.six, 1, "taken back") == 0);
}

static void run_address_request(struct ledger *l)
{
	struct ipaddr a = address("2001:db8::3");
	struct lease_want want = { .instance = w.idle, .res = res_address(7, &a) };
	ledger_id id;

	check(ledger_reserve(l, NULL, &want, &id, NULL) == 0);
	check(ledger_set_address(l, id, &a) == 0);
	check(ledger_commit(l, id) == 0);
}

/* A whole request of several calls. */
static void run_request(struct ledger *l)
{
	struct lease_want want = fixture_want(w.idle, RES_FLOW, 9);
	ledger_id id;

	check(ledger_reserve(l, NULL, &want, &id, NULL) == 0);
	check(ledger_set_flow(l, id, &one_flow) == 0);
	check(ledger_rename(l, id, 10) == 0);
	check(ledger_commit(l, id) == 0);
	check(ledger_revoke(l, w.core, 1, "") == 0);
}

/* The log has room for little, so that it has to be settled on the way. */
static void crowd(struct ledger *l)
{
	struct undo *u = fixture_undo(l);
	const char *at = (const char *)l->events[TENANT_MAX / 2];

	for (; undo_room(u) > LEDGER_UNDO_ROOM + 2; at += UNDO_LINE)
		undo_keep(u, at, 1);
}

static const struct change changes[] = {
	{ "set tenants", write_config, run_tenants, false },
	{ "start", NULL, run_start, false },
	{ "claim", NULL, run_claim, false },
	{ "orphan", NULL, run_orphan, false },
	{ "end", NULL, run_end, false },
	{ "end of a tenant", NULL, run_end_of_a_tenant, false },
	{ "reserve", NULL, run_reserve, false },
	{ "commit", NULL, run_commit, false },
	{ "undo", NULL, run_undo, false },
	{ "undo reserved", NULL, run_undo_reserved, false },
	{ "rename", NULL, run_rename, false },
	{ "use", NULL, run_use, false },
	{ "unuse", NULL, run_unuse, false },
	{ "release", NULL, run_release, false },
	{ "revoke", NULL, run_revoke, false },
	{ "expire", NULL, run_expire, false },
	{ "event", NULL, run_event, false },
	{ "set flow", NULL, run_set_flow, false },
	{ "set flow again", NULL, run_set_flow_again, false },
	{ "a request", NULL, run_request, false },
	{ "set address", NULL, run_set_address, false },
	{ "revoke addresses", NULL, run_revoke_address, false },
	{ "a request for an address", NULL, run_address_request, false },
	{ "end, crowded", crowd, run_end, true },
	{ "orphan, crowded", crowd, run_orphan, true },
};

/* --- the lines that are watched ---------------------------------------------- */

struct line {
	uint32_t number;
	unsigned char seen[UNDO_LINE];
};

struct trial {
	const struct change *change;
	int fd;
	struct ledger *l;     /* shared with the child */
	char *before, *after; /* the whole file */
	struct line *lines;   /* that change */
	size_t nlines;
	bool settled;		      /* the successor found what comes after ... */
	bool between;		      /* ... or what is neither */
	unsigned long steps, checked; /* instructions, states */
};

static char *file_map(int fd)
{
	char *mem = mmap(NULL, fixture_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	return mem;
}

/* One that the child has no part in. */
static char *file_copy(struct trial *t)
{
	char *mem = mmap(NULL, fixture_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	memcpy(mem, fixture_undo(t->l), fixture_bytes());
	return mem;
}

static void watch(struct trial *t, size_t number)
{
	assert_true(t->nlines < UNDO_LINES);
	t->lines[t->nlines].number = (uint32_t)number;
	memcpy(t->lines[t->nlines].seen, t->before + number * UNDO_LINE, UNDO_LINE);
	t->nlines++;
}

static void watch_what_differs(struct trial *t)
{
	enum { PAGE = 4096 };

	for (size_t page = 0; page < fixture_bytes(); page += PAGE) {
		if (!memcmp(t->before + page, t->after + page, PAGE))
			continue;
		for (size_t at = page; at < page + PAGE; at += UNDO_LINE)
			if (memcmp(t->before + at, t->after + at, UNDO_LINE))
				watch(t, at / UNDO_LINE);
	}
}

/* The child starts with what is prepared, and so does what it is compared with. */
static void rehearse(struct trial *t)
{
	struct ledger *l;

	t->before = file_copy(t);
	t->after = file_copy(t);
	l = (struct ledger *)(t->after + FIXTURE_LOG);
	if (t->change->prepare)
		t->change->prepare(l);
	memcpy(t->before, t->after, sizeof(struct undo));
	t->change->run(l);
	/* A line of the log that is used is watched even if it held the same before. */
	watch_what_differs(t);
	undo_settle(fixture_undo(l));
	if (t->nlines == 0 || t->lines[0].number)
		watch(t, 0);
}

static bool something_changed(struct trial *t)
{
	const char *shared = (const char *)fixture_undo(t->l);
	bool changed = false;

	for (size_t i = 0; i < t->nlines; i++) {
		struct line *line = &t->lines[i];
		const char *now = shared + (size_t)line->number * UNDO_LINE;

		if (!memcmp(line->seen, now, UNDO_LINE))
			continue;
		memcpy(line->seen, now, UNDO_LINE);
		changed = true;
	}
	return changed;
}

/* Of the ledger, not of the log. */
static bool lines_are(const struct trial *t, const char *taken, const char *expected)
{
	for (size_t i = 0; i < t->nlines; i++) {
		size_t at = (size_t)t->lines[i].number * UNDO_LINE;

		if (at >= FIXTURE_LOG && memcmp(taken + at, expected + at, UNDO_LINE))
			return false;
	}
	return true;
}

/* The child is dead, for all this one knows. */
static void take_over(struct trial *t)
{
	char *mem = file_map(t->fd);
	struct undo *u = (struct undo *)mem;
	struct ledger *l;

	t->checked++;
	assert_int_equal(undo_take_back(u, fixture_bytes()), 0);
	assert_int_equal(ledger_open(mem + FIXTURE_LOG, ledger_bytes(), u, &l), 0);
	if (t->settled || lines_are(t, mem, t->after)) {
		assert_true(lines_are(t, mem, t->after));
		t->settled = true;
	} else if (t->between || !lines_are(t, mem, t->before)) {
		assert_true(t->change->settles);
		t->between = true;
	}
	munmap(mem, fixture_bytes());
}

/* --- step by step ------------------------------------------------------------ */

static void child(struct trial *t)
{
	if (t->change->prepare)
		t->change->prepare(t->l);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	raise(SIGSTOP);
	t->change->run(t->l);
	undo_settle(fixture_undo(t->l));
	raise(SIGSTOP);
	_exit(0);
}

/* The next stop; 0: the child is no more. */
static int wait_stop(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static int step(pid_t pid)
{
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	return wait_stop(pid);
}

static void step_through(struct trial *t, pid_t pid)
{
	int sig;

	while ((sig = step(pid)) == SIGTRAP) {
		t->steps++;
		if (something_changed(t))
			take_over(t);
	}
	assert_int_equal(sig, SIGSTOP);
	kill(pid, SIGKILL);
	assert_int_equal(wait_stop(pid), 0);
}

static bool may_trace(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void trial_begin(struct trial *t)
{
	void *mem;

	t->fd = memfd_create("ledger", MFD_CLOEXEC);
	assert_true(t->fd >= 0);
	assert_int_equal(ftruncate(t->fd, (off_t)fixture_bytes()), 0);
	mem = fixture_memory(t->fd);
	assert_int_equal(ledger_init(mem, ledger_bytes(), fixture_undo(mem), &t->l), 0);
	t->lines = calloc(UNDO_LINES, sizeof(t->lines[0]));
	assert_non_null(t->lines);
	build(t->l);
}

static void trial_end(struct trial *t)
{
	munmap(t->before, fixture_bytes());
	munmap(t->after, fixture_bytes());
	fixture_free(t->l);
	free(t->lines);
	close(t->fd);
}

static void killed_anywhere(void **state)
{
	struct trial t = { .change = *state };
	pid_t pid;

	if (!may_trace()) {
		print_message("# this process may not trace its children\n");
		skip();
	}
	trial_begin(&t);
	rehearse(&t);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child(&t);
	assert_int_equal(wait_stop(pid), SIGSTOP);
	something_changed(&t);
	step_through(&t, pid);
	/* Nothing else was changed than what was watched, and it is done. */
	assert_true(t.settled);
	assert_int_equal(t.between, t.change->settles);
	assert_memory_equal(t.l, t.after + FIXTURE_LOG, ledger_bytes());
	print_message("# %s: %lu instructions, taken over %lu times\n", t.change->name, t.steps,
		      t.checked);
	assert_true(t.steps > 20 && t.checked > 3);
	trial_end(&t);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(changes)];

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		tests[i] = (struct CMUnitTest){ .name = changes[i].name,
						.test_func = killed_anywhere,
						.initial_state = (void *)&changes[i] };
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
