/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the real reeve-bpf, as reeved does, in a network namespace and with a BPF
 * file system of the test's own; and can make any of its bpf(2) calls fail.
 */
#ifndef TEST_REEVE_BPF_HARNESS_H
#define TEST_REEVE_BPF_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/seccomp.h>

#include "base/fd.h"
#include "privproto/loader.h"

#include <cmocka.h>

#define BPFFS "/sys/fs/bpf"

/* One bpf(2) call of the program: 0 lets it be done, else the errno it gets. */
typedef int verdict(pid_t pid, const struct seccomp_data *call, void *arg);

struct reply {
	int status; /* of waitpid */
	bool answered;
	struct loader_answer a;
	int fds[LOADER_FDS_MAX];
	unsigned nfds;
};

/* --- the place ------------------------------------------------------------------ */

static inline int shell(const char *command)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv("/bin/sh", argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Mounts of its own; each test gets a network of its own besides. -1: not root. */
static inline int place_open(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	libbpf_set_print(NULL);
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* A BPF file system that nothing is in, and va (4 queues) connected to vb. */
static inline void place_renew(void)
{
	while (umount2(BPFFS, MNT_DETACH) == 0)
		;
	assert_int_equal(mount("bpf", BPFFS, "bpf", 0, "mode=0700"), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(shell("ip link set lo up && ip link add va up numrxqueues 4 numtxqueues 4 "
			       "type veth peer name vb numrxqueues 4 numtxqueues 4 && "
			       "ip link set vb up"),
			 0);
}

static inline uint32_t index_of(const char *name)
{
	uint32_t ifindex = if_nametoindex(name);

	assert_int_not_equal(ifindex, 0);
	return ifindex;
}

/* What the interface runs first, 0: nothing. */
static inline uint32_t attached_id(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)index_of(name), 0, &query), 0);
	return query.prog_id;
}

static inline enum nic_mode attached_mode(const char *name)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)index_of(name), 0, &query), 0);
	if (query.attach_mode == XDP_ATTACHED_DRV)
		return NIC_MODE_NATIVE;
	return query.attach_mode == XDP_ATTACHED_SKB ? NIC_MODE_GENERIC : NIC_MODE_NONE;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* No pin and no folder of ours. */
static inline void assert_no_pins(void)
{
	assert_false(exists(LOADER_PINS));
}

/* --- the program ------------------------------------------------------------------ */

/* Beside this test in the build tree. */
static inline void program_path(char ret[static 512])
{
	ssize_t n = readlink("/proc/self/exe", ret, 256);
	char *slash;

	assert_true(n > 0 && n < 256);
	ret[n] = '\0';
	/* <build>/test/<folder>/<this test> */
	for (unsigned i = 0; i < 3; i++) {
		slash = strrchr(ret, '/');
		assert_non_null(slash);
		*slash = '\0';
	}
	strcat(ret, "/daemons/reeve-bpf/reeve-bpf");
}

/* The child's part: seccomp asks the test about each bpf(2) call. */
static inline int listener_new(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static inline void program_exec(int request, int handover)
{
	char path[512];
	char *argv[] = { path, NULL }, *none[] = { NULL };
	int listener;

	program_path(path);
	if (handover >= 0) {
		listener = listener_new();
		if (listener < 0 || fd_send(handover, "l", 1, &listener, 1) != 1)
			_exit(126);
	}
	dup2(request, 3);
	close_range(4, ~0U, 0);
	execve(path, argv, none);
	_exit(127);
}

static inline void judge_one(int listener, verdict *judge, void *arg)
{
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp response = { 0 };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return;
	response.id = call.id;
	response.error = -judge((pid_t)call.pid, &call.data, arg);
	if (!response.error)
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static inline int take_listener(int handover)
{
	struct pollfd p = { .fd = handover, .events = POLLIN };
	unsigned nfds = 0;
	int listener;
	char byte;

	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(fd_recv(handover, &byte, 1, &listener, 1, &nfds), 1);
	assert_int_equal(nfds, 1);
	return listener;
}

/* Until the program answers or ends: older kernels do not tell so by the listener. */
static inline void judge_all(pid_t pid, int request, int handover, verdict *judge, void *arg)
{
	struct pollfd p[] = {
		{ .fd = take_listener(handover), .events = POLLIN },
		{ .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN },
		{ .fd = request, .events = POLLIN },
	};

	while (poll(p, 3, -1) > 0) {
		if (p[0].revents & POLLIN)
			judge_one(p[0].fd, judge, arg);
		else if (p[1].revents || p[2].revents)
			break;
	}
	close(p[0].fd);
	close(p[1].fd);
}

static inline void read_reply(int sock, struct reply *r)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&p, 1, -1), 1);
	n = fd_recv(sock, &r->a, sizeof(r->a), r->fds, LOADER_FDS_MAX, &r->nfds);
	r->answered = n > 0;
	if (r->answered)
		assert_int_equal(loader_check_answer(&r->a, (size_t)n, r->nfds), 0);
}

/* With descriptors: as many as such a request comes with. */
static inline struct reply send_request_fds(const void *msg, size_t len, const int *fds,
					    verdict *judge, void *arg)
{
	const struct loader_request *q = msg;
	struct reply r = { .status = -1 };
	int request[2], handover[2];
	pid_t pid;

	assert_int_equal(fd_socketpair(request), 0);
	assert_int_equal(fd_socketpair(handover), 0);
	pid = fork();
	if (pid == 0)
		program_exec(request[1], judge ? handover[1] : -1);
	close(request[1]);
	close(handover[1]);
	assert_int_equal(fd_send(request[0], msg, len, fds, fds ? loader_request_fds(q->op) : 0),
			 len);
	if (judge)
		judge_all(pid, request[0], handover[0], judge, arg);
	read_reply(request[0], &r);
	if (r.answered)
		assert_int_equal(r.a.op, q->op);
	close(request[0]);
	close(handover[0]);
	assert_int_equal(waitpid(pid, &r.status, 0), pid);
	return r;
}

static inline struct reply send_request(const void *msg, size_t len, verdict *judge, void *arg)
{
	return send_request_fds(msg, len, NULL, judge, arg);
}

static inline void reply_close(struct reply *r)
{
	while (r->nfds)
		close(r->fds[--r->nfds]);
}

static inline struct loader_request attach_request(const char *ifname, enum nic_want_form form,
						   enum nic_want_mode mode)
{
	return (struct loader_request){ .magic = LOADER_MAGIC,
					.version = LOADER_VERSION,
					.op = LOADER_ATTACH,
					.ifindex = index_of(ifname),
					.form = form,
					.mode = mode };
}

static inline struct reply ask_judged(struct loader_request q, verdict *judge, void *arg)
{
	struct reply r = send_request(&q, sizeof(q), judge, arg);

	assert_true(r.answered);
	assert_int_equal(r.status, 0);
	return r;
}

static inline struct reply ask(struct loader_request q)
{
	return ask_judged(q, NULL, NULL);
}

/* Must work; the descriptors are closed. */
static inline struct loader_answer attach_ok(struct loader_request q)
{
	struct reply r = ask(q);

	assert_string_equal(r.a.why, "");
	assert_int_equal(r.a.error, 0);
	reply_close(&r);
	return r.a;
}

static inline void detach_ok(uint32_t ifindex, uint32_t channels)
{
	struct loader_request q = { .magic = LOADER_MAGIC,
				    .version = LOADER_VERSION,
				    .op = LOADER_DETACH,
				    .ifindex = ifindex,
				    .channels = channels };
	struct reply r = ask(q);

	assert_string_equal(r.a.why, "");
	assert_int_equal(r.a.error, 0);
}

/* Must be refused so, with a sentence that has `text` in it. */
static inline void attach_fails(struct loader_request q, int error, const char *text)
{
	struct reply r = ask(q);

	assert_int_equal(r.a.error, error);
	if (!strstr(r.a.why, text))
		assert_string_equal(r.a.why, text);
}

/* --- failures ---------------------------------------------------------------------- */

/* Counts calls; something happens at one of them. */
struct nth {
	unsigned at, seen;
};

/* The next one to be hit, while the last run came so far. */
static inline bool nth_next(struct nth *n, unsigned step)
{
	if (n->at && n->seen < n->at)
		return false;
	n->at += n->at ? step : 1;
	n->seen = 0;
	return true;
}

static inline int fail_nth(pid_t pid, const struct seccomp_data *call, void *arg)
{
	struct nth *n = arg;

	(void)pid;
	(void)call;
	return ++n->seen == n->at ? ENOMEM : 0;
}

/* bpf(2) calls of an attachment that works; it is undone. */
static inline unsigned calls_of(struct loader_request q)
{
	struct nth n = { 0 };
	struct reply r = ask_judged(q, fail_nth, &n);

	assert_int_equal(r.a.error, 0);
	reply_close(&r);
	detach_ok(q.ifindex, 0);
	return n.seen;
}

/*
 * Each of the bpf(2) calls of an attachment, or each `step`th, fails once for want
 * of memory. It works all the same and can be undone, or it is refused and nothing
 * is left.
 */
static inline void check_failures(struct loader_request q, const char *ifname, unsigned step)
{
	struct nth n = { 0 };
	unsigned refused = 0, runs = 0;

	for (; nth_next(&n, step); runs++) {
		struct reply r = ask_judged(q, fail_nth, &n);

		refused += r.a.error != 0;
		reply_close(&r);
		if (!r.a.error) {
			assert_int_equal(attached_id(ifname), r.a.prog_id);
			detach_ok(q.ifindex, 0);
		}
		assert_int_equal(attached_id(ifname), 0);
		assert_no_pins();
	}
	/* More than the few that libbpf tries things out with. */
	assert_in_range(refused, runs / 4, runs);
}

#endif
