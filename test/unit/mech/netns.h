/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network namespace of the test's own, which ends with it: the names in it are
 * nobody else's. Needs root; without it the test is skipped.
 */
#ifndef REEVE_TEST_NETNS_H
#define REEVE_TEST_NETNS_H

#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs a command of iproute2 and the like, which must succeed. */
static inline void run(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_int_equal(system(line), 0);
}

/* The test goes on in a namespace with nothing but lo, or is skipped. */
static inline void netns_new(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("no network namespace: %s\n", strerror(errno));
		skip();
	}
}

static inline uint32_t netns_veth(const char *a, const char *b, unsigned queues)
{
	run("ip link add %s numrxqueues %u numtxqueues %u type veth peer name %s numrxqueues %u "
	    "numtxqueues %u",
	    a, queues, queues, b, queues, queues);
	return if_nametoindex(a);
}

/* A loaded XDP program. */
static inline int xdp_load(const struct bpf_insn *insns, unsigned n)
{
	static char log[16384];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)insns,
		.insn_cnt = n,
		.license = (uintptr_t) "Dual BSD/GPL",
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
		.log_level = 1,
	};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0)
		print_message("%s\n%s\n", strerror(errno), log);
	return fd;
}

/* One that lets everything pass. */
static inline int xdp_pass(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return xdp_load(insns, 2);
}

static inline uint32_t xdp_id(int prog)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = {
		.info = { .bpf_fd = (uint32_t)prog,
			  .info_len = sizeof(info),
			  .info = (uintptr_t)&info },
	};

	assert_int_equal(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)), 0);
	return info.id;
}

/* Attached for as long as the descriptor that comes back; flags 0, or XDP_FLAGS_*_MODE. */
static inline int xdp_attach(int prog, uint32_t ifindex, uint32_t flags)
{
	union bpf_attr attr = {
		.link_create = { .prog_fd = (uint32_t)prog,
				 .target_ifindex = ifindex,
				 .attach_type = BPF_XDP,
				 .flags = flags },
	};

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

#endif
