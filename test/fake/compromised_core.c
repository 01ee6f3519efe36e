/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core that is somebody else's by now. It starts as the real one does, enters the
 * same sandbox, becomes ready, and then tries the one thing that the file `attack`
 * beside it names. What came of it is a line of the log: "attack NAME: RESULT".
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "core.h"
#include "link.h"
#include "record.h"
#include "resync.h"
#include "sandbox.h"

enum { ASKED = 77 }; /* the serial of what is waited for */

static struct core core;
static char attack[64];
static int journal = -1; /* as reeved passed it, for truncate */

static int result(long r)
{
	return r < 0 ? -errno : 0;
}

static void tell(const char *what, int r)
{
	log_say(LOG_WARN, "attack", "%s: %s", what, r < 0 ? strerrorname_np(-r) : "done");
}

/* --- the kernel --------------------------------------------------------------------- */

static int open_file(const char *path, int flags)
{
	return result(open(path, flags | O_CLOEXEC));
}

static int open_of_reeved(const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)core.hello.pid, file);
	return open_file(path, O_RDONLY);
}

static int a_shadow(void)
{
	return open_file("/etc/shadow", O_RDONLY);
}

static int a_write_proc(void)
{
	return open_file("/proc/sys/kernel/hostname", O_WRONLY);
}

static int a_reeved_memory(void)
{
	return open_of_reeved("mem");
}

static int a_reeved_environment(void)
{
	return open_of_reeved("environ");
}

static int a_create(void)
{
	return result(open("/run/reeve/mine", O_WRONLY | O_CREAT, 0600));
}

static int a_unlink(void)
{
	return result(unlink("/run/reeve/reeve.sock"));
}

static int a_rename(void)
{
	return result(rename("/run/reeve/reeve.sock", "/run/reeve/other"));
}

static int a_inet(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int a_packet(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int a_netlink(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int a_unix(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int a_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/reeve/reeve.sock" };

	return result(connect(core.null_fd, (struct sockaddr *)&a, sizeof(a)));
}

static int a_bpf(void)
{
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int a_exec(void)
{
	return result(execl("/bin/sh", "sh", "-c", "true", NULL));
}

static int a_fork(void)
{
	return result(fork());
}

static int a_kill_reeved(void)
{
	return result(kill((pid_t)core.hello.pid, SIGKILL));
}

static int a_kill_all(void)
{
	return result(kill(-1, SIGTERM));
}

static int a_pidfd_signal(void)
{
	int fd = (int)syscall(SYS_pidfd_open, core.hello.pid, 0);

	return result(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
}

static int a_ptrace(void)
{
	return result(ptrace(PTRACE_SEIZE, (pid_t)core.hello.pid, NULL, NULL));
}

static int a_setuid(void)
{
	return result(setuid(0));
}

static int a_mount(void)
{
	return result(mount("none", "/run", "tmpfs", 0, NULL));
}

static int a_unshare(void)
{
	return result(syscall(SYS_unshare, 0x10000000));
}

static int a_truncate(void)
{
	return result(ftruncate(journal, 1LL << 32));
}

static int a_fallocate(void)
{
	return result(fallocate(journal, 0, 0, 1LL << 32));
}

static int a_executable_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static int a_io_uring(void)
{
	struct io_uring_params p = { 0 };

	return result(syscall(SYS_io_uring_setup, 8, &p));
}

static int a_keyring(void)
{
	return result(syscall(SYS_keyctl, 0, -1, 0));
}

static int a_userfaultfd(void)
{
	return result(syscall(SYS_userfaultfd, 0));
}

static int a_perf(void)
{
	return result(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

/* Of a client's socket it may ask for the process alone. */
static int a_other_option(void)
{
	int value;
	socklen_t len = sizeof(value);

	return result(getsockopt(core.sock, SOL_SOCKET, SO_TYPE, &value, &len));
}

/* --- reeved --------------------------------------------------------------------------- */

static void read_answers(void)
{
	static union pp_msg m;
	int fds[FD_PASS_MAX];
	unsigned nfds;

	while (pp_recv(core.sock, PP_REEVED, &m, fds, &nfds) == 0)
		while (nfds)
			close(fds[--nfds]);
}

static void say(const void *m, size_t len)
{
	struct pollfd p = { .fd = core.sock, .events = POLLIN | POLLOUT };

	while (send(core.sock, m, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN) {
		read_answers();
		poll(&p, 1, -1);
	}
}

/* Sound in its form: ones, and what else a type needs. */
static void make_sound(union pp_msg *m, uint32_t type)
{
	uint32_t words[sizeof(*m) / sizeof(uint32_t)];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = 1;
	memcpy(m, words, sizeof(*m));
	m->head = (struct pp_head){ .type = type, .serial = 7 };
	if (type == PP_NIC_OPEN)
		strcpy(m->nic_open.name, "eth9");
	if (type == PP_NIC_XSK)
		m->nic_xsk.frame_size = 2048;
	if (type == PP_READY)
		memset(m->ready.why, 0, sizeof(m->ready.why));
}

/* What is believed by its form: each word of it, one after the other, is a lie. */
static unsigned lie_about(uint32_t type)
{
	static const uint32_t lies[] = { 0, 1, 2, 255, 256, 65535, 65536, INT32_MAX, UINT32_MAX };
	unsigned said = 0;

	for (size_t at = sizeof(uint32_t); at + sizeof(uint32_t) <= pp_size(type);
	     at += sizeof(uint32_t))
		for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
			union pp_msg m;

			make_sound(&m, type);
			memcpy((char *)&m + at, &lies[i], sizeof(lies[i]));
			if (pp_check(&m, pp_size(type), 0, PP_CORE) < 0)
				continue;
			say(&m, pp_size(type));
			said++;
		}
	return said;
}

/* An administrator's wishes are the core's to tell: they would be granted. */
static int a_lies(void)
{
	unsigned said = 0;

	for (uint32_t type = PP_HELLO; type < PP_TYPE_MAX; type++)
		if (type != PP_ADMIN)
			said += lie_about(type);
	read_answers();
	return said > 500 ? 0 : -ENOMSG;
}

static int a_wrong_size(void)
{
	struct pp_close m = { .head.type = PP_CLOSE };

	say(&m, sizeof(m) - 1);
	return 0;
}

static int a_wrong_side(void)
{
	struct pp_simple m = { .head.type = PP_STOP };

	say(&m, sizeof(m));
	return 0;
}

static int a_too_long(void)
{
	static char m[65536];

	say(m, sizeof(m));
	return 0;
}

static int a_descriptor(void)
{
	struct pp_close m = { .head.type = PP_CLOSE };

	return (int)fd_send(core.sock, &m, sizeof(m), &core.null_fd, 1) < 0 ? -errno : 0;
}

/* reeved's word on a request. */
static int request(const void *m, size_t len)
{
	struct pollfd p = { .fd = core.sock, .events = POLLIN };
	static union pp_msg answer;
	int fds[FD_PASS_MAX];
	unsigned nfds;

	say(m, len);
	while (poll(&p, 1, -1) == 1) {
		int r = pp_recv(core.sock, PP_REEVED, &answer, fds, &nfds);

		if (r < 0 && r != -EAGAIN)
			return r;
		while (r == 0 && nfds)
			close(fds[--nfds]);
		if (r == 0 && answer.head.serial == ASKED)
			return answer.head.type == PP_RESULT ? -answer.result.error : 0;
	}
	return -errno;
}

static uint32_t ifindex_of(const char *name)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
	return fd_read_file(AT_FDCWD, path, text, sizeof(text)) > 0
		       ? (uint32_t)strtoul(text, NULL, 10)
		       : 0;
}

static int ask_open(const char *name)
{
	struct pp_nic_open m = { .head = { .type = PP_NIC_OPEN, .serial = ASKED },
				 .ifindex = ifindex_of(name),
				 .form = NIC_WANT_SINGLE,
				 .conf_serial = core.conf_serial };

	str_copy(m.name, sizeof(m.name), name);
	return request(&m, sizeof(m));
}

/* With the queue of its number. */
static int ask_owner(const char *name, uint32_t owner, const char *tenant)
{
	struct pp_nic_owner m = { .head = { .type = PP_NIC_OWNER, .serial = ASKED },
				  .ifindex = ifindex_of(name),
				  .owner = owner,
				  .tenant = conf_tenant(&core.conf, tenant),
				  .conf_serial = core.conf_serial,
				  .on = 1 };
	struct pp_nic_queue q = { .head = { .type = PP_NIC_QUEUE, .serial = ASKED },
				  .ifindex = m.ifindex,
				  .owner = owner,
				  .queue = owner,
				  .on = 1 };
	int r = request(&m, sizeof(m));

	return r < 0 ? r : request(&q, sizeof(q));
}

static int ask_address(const char *name, uint32_t owner, uint32_t on, const char *text)
{
	struct pp_nic_address m = { .head = { .type = PP_NIC_ADDRESS, .serial = ASKED },
				    .ifindex = ifindex_of(name),
				    .owner = owner,
				    .on = on };

	return ipaddr_parse(text, &m.address) < 0 ? -EINVAL : request(&m, sizeof(m));
}

/* Two tenants' owners are on eth1, which is theirs; eth2 is nobody's. */
static int a_addresses(void)
{
	tell("open", ask_open("eth1"));
	tell("red", ask_owner("eth1", 1, "red"));
	tell("blue", ask_owner("eth1", 2, "blue"));
	tell("own", ask_address("eth1", 1, 1, "10.9.1.9"));
	tell("kernels", ask_address("eth1", 1, 1, "10.9.1.1"));
	tell("kernels6", ask_address("eth1", 1, 1, "fd09:1::1"));
	tell("broadcast", ask_address("eth1", 1, 1, "10.9.1.255"));
	tell("other-network", ask_address("eth1", 1, 1, "10.9.2.9"));
	tell("another-tenants", ask_address("eth1", 1, 1, "192.0.2.1"));
	tell("owned", ask_address("eth1", 2, 1, "10.9.1.9"));
	tell("twice", ask_address("eth1", 1, 1, "10.9.1.9"));
	tell("take-away", ask_address("eth1", 2, 0, "10.9.1.9"));
	tell("no-owner", ask_address("eth1", 3, 1, "10.9.1.10"));
	tell("closed-interface", ask_address("eth2", 1, 1, "10.9.1.10"));
	tell("open-other", ask_open("eth2"));
	tell("red-other", ask_owner("eth2", 1, "red"));
	tell("other-interface", ask_address("eth2", 1, 1, "10.9.1.10"));
	return 0;
}

/* A log that is a file is appended to, whoever writes. */
static int a_overwrite_log(void)
{
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	return fcntl(STDERR_FILENO, F_SETFL, flags & ~O_APPEND) < 0 ? -errno : 0;
}

/* Requests that are answered, and nobody reads the answers. */
static int a_flood(void)
{
	struct pp_plane m = { .head = { .type = PP_PLANE, .serial = 7 }, .plane = PLANE_MAX - 1 };
	struct pollfd p = { .fd = core.sock, .events = POLLOUT };
	uint64_t until = clock_boot_ns() + NS_PER_S / 2;

	while (clock_boot_ns() < until)
		if (send(core.sock, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			poll(&p, 1, 10);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} attacks[] = {
	{ "shadow", a_shadow },
	{ "write-proc", a_write_proc },
	{ "reeved-memory", a_reeved_memory },
	{ "reeved-environment", a_reeved_environment },
	{ "create", a_create },
	{ "unlink", a_unlink },
	{ "rename", a_rename },
	{ "inet", a_inet },
	{ "packet", a_packet },
	{ "netlink", a_netlink },
	{ "unix", a_unix },
	{ "connect", a_connect },
	{ "bpf", a_bpf },
	{ "exec", a_exec },
	{ "fork", a_fork },
	{ "kill-reeved", a_kill_reeved },
	{ "kill-all", a_kill_all },
	{ "pidfd-signal", a_pidfd_signal },
	{ "ptrace", a_ptrace },
	{ "setuid", a_setuid },
	{ "mount", a_mount },
	{ "unshare", a_unshare },
	{ "truncate", a_truncate },
	{ "fallocate", a_fallocate },
	{ "executable-memory", a_executable_memory },
	{ "io-uring", a_io_uring },
	{ "keyring", a_keyring },
	{ "userfaultfd", a_userfaultfd },
	{ "perf", a_perf },
	{ "other-option", a_other_option },
	{ "lies", a_lies },
	{ "wrong-size", a_wrong_size },
	{ "wrong-side", a_wrong_side },
	{ "too-long", a_too_long },
	{ "descriptor", a_descriptor },
	{ "overwrite-log", a_overwrite_log },
	{ "flood", a_flood },
	{ "addresses", a_addresses },
};

/* --- all of it --------------------------------------------------------------------------- */

static void try_it(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++)
		if (!strcmp(attacks[i].name, attack)) {
			int r = attacks[i].run();

			tell(attack, r);
		}
	log_flush();
}

/* Once, when it is ready and has said so. */
static void on_idle(void *arg)
{
	static bool tried;

	record_publish(arg);
	if (core.synced && pp_queue_empty(&core.queue) && !tried) {
		tried = true;
		try_it();
	}
}

static int read_attack(void)
{
	char path[PATH_MAX] = { 0 }, file[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		return -errno;
	snprintf(file, sizeof(file), "%s/attack", dirname(path));
	n = fd_read_file(AT_FDCWD, file, attack, sizeof(attack));
	return n < 0 ? (int)n : 0;
}

/* link_open() closes what it was passed; its memory can be opened once more before the sandbox. */
static void keep_journal(void)
{
	journal = open("/run/reeve/state/lease.journal", O_RDWR | O_CLOEXEC);
	if (journal < 0) /* not its own to open: then what it holds of it, none */
		journal = memfd_create("stand-in", MFD_CLOEXEC);
}

int main(void)
{
	struct err e = { 0 };
	int r = read_attack();

	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	json_object_seed(0);
	core.since_ns = clock_wall_ns();
	shares_init(&core);
	keep_journal();
	if (r < 0 || loop_new(&core.loop) < 0)
		return 1;
	core.expiry_watch.fd = loop_timer();
	if (link_open(&core, &e) < 0 || sandbox_enter(&e) < 0) {
		fprintf(stderr, "compromised_core: %s\n", e.text);
		return 1;
	}
	resync_start(&core);
	loop_on_idle(core.loop, on_idle, &core);
	return loop_run(core.loop) < 0;
}
