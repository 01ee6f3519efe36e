/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest is one virtual CPU in long mode with 2 MiB of memory, mapped as they
 * are: three page tables, a loop and a hlt. A child process runs it, because one
 * that is slow can only be ended by a signal, and a library has none to spare.
 */
#include "mech/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { LIMIT_MS = 50, MEMORY = 2 << 20, API = 12 };

/* What the child tells: an errno, or how long the guest ran. */
struct report {
	int32_t error;
	uint32_t us;
};

#ifdef __x86_64__

enum { PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, CODE = 0x4000 };

/* mov ecx, 100000; again: dec ecx; jnz again; hlt */
static const uint8_t code[] = { 0xb9, 0xa0, 0x86, 0x01, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xf4 };

static void fill_memory(uint8_t *memory)
{
	const uint64_t present = 0x3, large = 0x83; /* writable; 2 MiB at once */
	const uint64_t pml4 = PDPT | present, pdpt = PD | present, pd = large;

	memcpy(memory + PML4, &pml4, sizeof(pml4));
	memcpy(memory + PDPT, &pdpt, sizeof(pdpt));
	memcpy(memory + PD, &pd, sizeof(pd));
	memcpy(memory + CODE, code, sizeof(code));
}

static int set_registers(int vcpu)
{
	const struct kvm_segment data = { .limit = UINT32_MAX,
					  .selector = 16,
					  .type = 3,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.cs = data;
	sregs.cs.selector = 8;
	sregs.cs.type = 11;
	sregs.cs.db = 0;
	sregs.cs.l = 1;
	sregs.cr0 = 0x80000013; /* PG, ET, MP, PE */
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;   /* PAE */
	sregs.efer = 0x500; /* LMA, LME */
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static int give_memory(int vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	void *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);

	if (memory == MAP_FAILED)
		return -errno;
	fill_memory(memory);
	region.userspace_addr = (uintptr_t)memory;
	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int run(int kvm, int vcpu, uint32_t *ret_us)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	const struct kvm_run *state;
	uint64_t since = now_us();

	if (size < 0)
		return -errno;
	state = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED || ioctl(vcpu, KVM_RUN, 0) < 0)
		return -errno;
	*ret_us = (uint32_t)(now_us() - since);
	return state->exit_reason == KVM_EXIT_HLT ? 0 : -EIO;
}

/* All of it goes with the process. */
static int run_guest(int kvm, uint32_t *ret_us)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu, r;

	if (vm < 0)
		return -errno;
	r = give_memory(vm);
	if (r < 0)
		return r;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return -errno;
	r = set_registers(vcpu);
	return r < 0 ? r : run(kvm, vcpu, ret_us);
}

#else

/* A guest of another architecture is not known here: that one can be made has to do. */
static int run_guest(int kvm, uint32_t *ret_us)
{
	*ret_us = 0;
	return ioctl(kvm, KVM_CREATE_VM, 0) < 0 ? -errno : 0;
}

#endif

static void child(int kvm, int to)
{
	struct report report = { 0 };

	report.error = -run_guest(kvm, &report.us);
	if (write(to, &report, sizeof(report)) != sizeof(report))
		_exit(1);
	_exit(0);
}

static struct kvm_probe refused(int error)
{
	bool denied = error == EACCES || error == EPERM;

	return (struct kvm_probe){ .verdict = denied ? KVM_DENIED : KVM_ABSENT, .error = error };
}

/* A child that says nothing in time is slow. */
static struct kvm_probe hear(int from)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	struct report report;

	if (poll(&p, 1, LIMIT_MS) <= 0)
		return (struct kvm_probe){ .verdict = KVM_SLOW };
	if (read(from, &report, sizeof(report)) != sizeof(report))
		return refused(EIO);
	if (report.error)
		return refused(report.error);
	return (struct kvm_probe){ .verdict = KVM_OK, .guest_us = report.us };
}

static struct kvm_probe try_guest(int kvm)
{
	_cleanup_fd_ int from = -1, to = -1;
	struct kvm_probe result;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return refused(errno);
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return refused(errno);
	if (pid == 0)
		child(kvm, to);
	close(take_fd(&to));
	result = hear(from);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return result;
}

void kvm_probe(const char *dev, struct kvm_probe *ret)
{
	_cleanup_fd_ int dir = open(dev, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int kvm = dir < 0 ? -1 : openat(dir, "kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		*ret = refused(errno);
	else if (ioctl(kvm, KVM_GET_API_VERSION, 0) != API)
		*ret = refused(ENOTTY);
	else
		*ret = try_guest(kvm);
}

const char *kvm_verdict_name(enum kvm_verdict verdict)
{
	static const char *const names[] = { [KVM_ABSENT] = "absent",
					     [KVM_DENIED] = "denied",
					     [KVM_SLOW] = "slow",
					     [KVM_OK] = "ok" };

	return names[verdict];
}
