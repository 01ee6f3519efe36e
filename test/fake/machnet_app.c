/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An application of Machnet's without its library: what it does is told by lines on
 * stdin, and each gets one line on stdout, "ok ..." or "error ...". It polls, as the
 * reference's library does. And it does wrong when it is told to.
 *
 * usage: machnet_app SOCKET
 *
 *   register                          attach [BUFFERS]
 *   listen IP PORT                    connect LOCAL REMOTE PORT
 *   flow SRC SPORT DST DPORT          the one to send by; connect and recv set it, too
 *   send BYTES [COUNT]                bytes that follow from the length
 *   recv COUNT                        checked; the flow is then the answer's
 *   echo COUNT                        what comes goes back
 *   stream BYTES COUNT                as many at once as there are buffers, while it reads
 *   count                             buffers that are free, messages in both rings
 *
 *   poke OFFSET BYTES-AS-HEX          into the memory
 *   garbage ctx|rings|bufs SEED       all over it
 *   flood BYTES                       until nothing more goes in; reads nothing
 *   index N [COUNT]                   this number as a message
 *   twice BYTES                       the same message two times
 *   chain N BYTES                     a message whose buffer N leads back to the first
 *   request OP                        with nonsense behind it; waits for nothing
 *   crash                             SIGKILL, with all that is under way
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "machnet_layout.h"

enum { PATIENCE_S = 15, WORDS = 8, MESSAGE_MAX = 8 << 20 };

static const char *path;
static uint8_t app_id[16], *ctx;
static uint64_t size;
static uint32_t next_id;
static int registration = -1, channel_sock = -1;
static struct lay_flow flow;
static uint8_t *message;

static void say(const char *word, const char *rest)
{
	printf("%s%s%s\n", word, *rest ? " " : "", rest);
	fflush(stdout);
}

static void ok(void)
{
	say("ok", "");
}

static void error(const char *what)
{
	say("error", what);
}

static bool time_is_up(time_t begun)
{
	sched_yield();
	return time(NULL) - begun > PATIENCE_S;
}

/* --- the control socket --------------------------------------------------------------------- */

static int call(uint8_t *m, int *ret_fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct iovec iov = { m, MSG_BYTES };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct cmsghdr *c;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (sock < 0 || connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    send(sock, m, MSG_BYTES, MSG_NOSIGNAL) != MSG_BYTES)
		goto failed;
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL) != MSG_BYTES)
		goto failed;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return sock;
failed:
	if (sock >= 0)
		close(sock);
	return -1;
}

/* The connection, or -1 after an error line. */
static int ask(uint16_t type, uint32_t buffers, int *ret_fd)
{
	uint8_t m[MSG_BYTES] = { 0 };
	uint32_t id = next_id++, status, rings = 1024;
	uint16_t answer;
	int sock;

	memcpy(m + MSG_TYPE, &type, sizeof(type));
	memcpy(m + MSG_ID, &id, sizeof(id));
	memcpy(m + MSG_APP, app_id, sizeof(app_id));
	if (type == TYPE_CHANNEL) {
		if (getrandom(m + MSG_CHANNEL, 16, 0) != 16)
			abort();
		memcpy(m + MSG_RING_SIZE, &rings, sizeof(rings));
		memcpy(m + MSG_BUFFERS, &buffers, sizeof(buffers));
	}
	sock = call(m, ret_fd);
	memcpy(&answer, m + MSG_TYPE, sizeof(answer));
	memcpy(&status, m + MSG_STATUS, sizeof(status));
	if (sock >= 0 && answer == TYPE_RESPONSE && !status && !memcmp(m + MSG_ID, &id, sizeof(id)))
		return sock;
	if (sock >= 0)
		close(sock);
	error(sock < 0 ? "hung up" : "refused");
	return -1;
}

static void do_register(void)
{
	int none = -1;

	if (getrandom(app_id, sizeof(app_id), 0) != sizeof(app_id))
		abort();
	registration = ask(TYPE_REGISTER, 0, &none);
	if (registration >= 0)
		ok();
}

static void do_attach(uint32_t buffers)
{
	struct stat st;
	int fd = -1;

	channel_sock = ask(TYPE_CHANNEL, buffers, &fd);
	if (channel_sock < 0)
		return;
	if (fd < 0 || fstat(fd, &st) < 0) {
		error("no descriptor");
		return;
	}
	size = (uint64_t)st.st_size;
	ctx = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE | (st.st_blksize > 4096 ? MAP_HUGETLB : 0), fd, 0);
	close(fd);
	if (ctx == MAP_FAILED || get32(ctx + CTX_MAGIC) != MAGIC_CTX) {
		error("no channel");
		return;
	}
	printf("ok %u buffers\n", get32(lay_ring(ctx, CTX_FREE) + RING_CAPACITY));
	fflush(stdout);
}

/* --- requests ------------------------------------------------------------------------------- */

static void finish(uint8_t *request)
{
	uint8_t end[CTRL_BYTES];
	time_t begun = time(NULL);
	uint16_t status;

	put64(request + CTRL_ID, get64(ctx + CTX_REQ_ID));
	put64(ctx + CTX_REQ_ID, get64(ctx + CTX_REQ_ID) + 1);
	if (!lay_put(lay_ring(ctx, CTX_SQ), request)) {
		error("no room");
		return;
	}
	while (!lay_take(lay_ring(ctx, CTX_CQ), end))
		if (time_is_up(begun)) {
			error("no answer");
			return;
		}
	memcpy(&status, end + CTRL_STATUS, sizeof(status));
	if (get32(end + CTRL_OP) != OP_STATUS || memcmp(end, request, 8) || status) {
		error("refused");
		return;
	}
	if (get32(request + CTRL_OP) == OP_CREATE_FLOW)
		memcpy(&flow, end + CTRL_FLOW, sizeof(flow));
	ok();
}

static uint32_t ip(const char *text)
{
	return ntohl(inet_addr(text));
}

static void do_listen(const char *addr, uint16_t port)
{
	_Alignas(8) uint8_t request[CTRL_BYTES] = { 0 };

	put32(request + CTRL_OP, OP_LISTEN);
	put32(request + CTRL_LISTEN_IP, ip(addr));
	memcpy(request + CTRL_LISTEN_PORT, &port, sizeof(port));
	finish(request);
}

static void do_connect(const char *local, const char *remote, uint16_t port)
{
	const struct lay_flow wanted = { ip(local), ip(remote), 0, port };
	_Alignas(8) uint8_t request[CTRL_BYTES] = { 0 };

	put32(request + CTRL_OP, OP_CREATE_FLOW);
	memcpy(request + CTRL_FLOW, &wanted, sizeof(wanted));
	finish(request);
}

static void do_request(uint32_t op)
{
	_Alignas(8) uint8_t request[CTRL_BYTES];

	memset(request, 0xee, sizeof(request));
	put32(request + CTRL_OP, op);
	if (lay_put(lay_ring(ctx, CTX_SQ), request))
		ok();
	else
		error("no room");
}

/* --- messages ------------------------------------------------------------------------------- */

/* What byte i is in a message of so many. */
static uint8_t byte_at(uint32_t len, uint32_t i)
{
	return (uint8_t)(len * 13 + i * 7 + i / 256);
}

static bool take_bufs(uint32_t *bufs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!lay_take(lay_ring(ctx, CTX_FREE), &bufs[i])) {
			while (i--)
				lay_put(lay_ring(ctx, CTX_FREE), &bufs[i]);
			return false;
		}
	return true;
}

/* The first buffer, or UINT32_MAX: there are not enough. */
static uint32_t make_message(uint32_t len, uint32_t *ret_n)
{
	uint32_t mss = get32(ctx + CTX_MSS), n = (len + mss - 1) / mss;
	static uint32_t bufs[8192];

	if (n > 8192 || !take_bufs(bufs, n))
		return UINT32_MAX;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *b = lay_buf(ctx, bufs[i]), *data = b + BUF_HEADER + BUF_HEADROOM;
		uint32_t some = i == n - 1 ? len - i * mss : mss;

		b[BUF_FLAGS] = (uint8_t)((i ? 0 : FLAG_SYN) | (i == n - 1 ? FLAG_FIN : FLAG_SG));
		memcpy(b + BUF_FLOW, &flow, sizeof(flow));
		put32(b + BUF_MSG_LEN, i ? 0 : len);
		put32(b + BUF_DATA_LEN, some);
		put32(b + BUF_DATA_OFS, BUF_HEADROOM);
		put32(b + BUF_NEXT, i == n - 1 ? UINT32_MAX : bufs[i + 1]);
		put32(b + BUF_LAST, i ? UINT32_MAX : bufs[n - 1]);
		for (uint32_t j = 0; j < some; j++)
			data[j] = byte_at(len, i * mss + j);
	}
	*ret_n = n;
	return bufs[0];
}

static bool send_one(uint32_t len)
{
	uint32_t n, first = make_message(len, &n), next;

	if (first == UINT32_MAX)
		return false;
	if (lay_put(lay_ring(ctx, CTX_FROM_APP), &first))
		return true;
	for (uint32_t i = 0; i < n; i++, first = next) {
		next = get32(lay_buf(ctx, first) + BUF_NEXT);
		lay_put(lay_ring(ctx, CTX_FREE), &first);
	}
	return false;
}

static bool send_soon(uint32_t len)
{
	time_t begun = time(NULL);

	while (!send_one(len))
		if (time_is_up(begun))
			return false;
	return true;
}

static void do_send(uint32_t len, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!send_soon(len)) {
			error("no room");
			return;
		}
	ok();
}

/* Into `message`; its length, or 0: time is up. */
static uint32_t recv_one(void)
{
	time_t begun = time(NULL);
	uint32_t at, len = 0, next;
	bool more = true;

	while (!lay_take(lay_ring(ctx, CTX_TO_APP), &at))
		if (time_is_up(begun))
			return 0;
	memcpy(&flow, lay_buf(ctx, at) + BUF_FLOW, sizeof(flow));
	flow = (struct lay_flow){ flow.dst_ip, flow.src_ip, flow.dst_port, flow.src_port };
	for (; more; at = next) {
		uint8_t *b = lay_buf(ctx, at);
		uint32_t some = get32(b + BUF_DATA_LEN);

		if (len + some > MESSAGE_MAX || get32(b + BUF_MAGIC) != MAGIC_BUF)
			return 0;
		memcpy(message + len, b + BUF_HEADER + get32(b + BUF_DATA_OFS), some);
		len += some;
		more = b[BUF_FLAGS] & FLAG_SG;
		next = get32(b + BUF_NEXT);
		lay_put(lay_ring(ctx, CTX_FREE), &at);
	}
	return len;
}

/* Its length, or 0 when that has been said. */
static uint32_t recv_right(void)
{
	uint32_t len = recv_one();

	if (!len)
		error("no message");
	for (uint32_t i = 0; i < len; i++)
		if (message[i] != byte_at(len, i)) {
			printf("error byte %u of %u\n", i, len);
			fflush(stdout);
			return 0;
		}
	return len;
}

static void do_recv(uint32_t count, bool echo)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < count; i++) {
		len = recv_right();
		if (!len)
			return;
		if (echo && !send_soon(len)) {
			error("no room");
			return;
		}
	}
	printf("ok %u bytes\n", len);
	fflush(stdout);
}

static void do_stream(uint32_t len, uint32_t count)
{
	uint32_t sent = 0;

	for (uint32_t got = 0; got < count; got++) {
		while (sent < count && send_one(len))
			sent++;
		if (!recv_right())
			return;
	}
	ok();
}

static void do_count(void)
{
	printf("ok free %u to_app %u from_app %u\n", lay_count(lay_ring(ctx, CTX_FREE)),
	       lay_count(lay_ring(ctx, CTX_TO_APP)), lay_count(lay_ring(ctx, CTX_FROM_APP)));
	fflush(stdout);
}

/* --- wrong ---------------------------------------------------------------------------------- */

static void do_poke(uint64_t ofs, const char *hex)
{
	for (; ofs < size && hex[0] && hex[1]; hex += 2) {
		const char byte[3] = { hex[0], hex[1] };

		ctx[ofs++] = (uint8_t)strtoul(byte, NULL, 16);
	}
	ok();
}

static void do_garbage(const char *where, unsigned seed)
{
	uint64_t from = 0, to = CTX_BYTES, pool = get64(ctx + CTX_POOL);

	if (!strcmp(where, "rings")) {
		from = CTX_BYTES;
		to = pool;
	} else if (!strcmp(where, "bufs")) {
		from = pool;
		to = size;
	}
	for (uint64_t i = from; i < to; i++) {
		seed = seed * 1103515245 + 12345;
		ctx[i] = (uint8_t)(seed >> 16);
	}
	ok();
}

static void do_flood(uint32_t len)
{
	uint32_t n = 0;

	while (send_one(len))
		n++;
	printf("ok %u messages\n", n);
	fflush(stdout);
}

static void do_index(uint32_t index, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!lay_put(lay_ring(ctx, CTX_FROM_APP), &index)) {
			error("no room");
			return;
		}
	ok();
}

static void do_chain(uint32_t at, uint32_t len)
{
	uint32_t n, first = make_message(len, &n), b = first;

	if (first == UINT32_MAX || at >= n) {
		error("no such buffer");
		return;
	}
	for (uint32_t i = 0; i < at; i++)
		b = get32(lay_buf(ctx, b) + BUF_NEXT);
	put32(lay_buf(ctx, b) + BUF_NEXT, first);
	lay_buf(ctx, b)[BUF_FLAGS] |= FLAG_SG;
	do_index(first, 1);
}

static void do_twice(uint32_t len)
{
	uint32_t n, first = make_message(len, &n);

	if (first == UINT32_MAX)
		error("no room");
	else
		do_index(first, 2);
}

/* --- lines ---------------------------------------------------------------------------------- */

static uint32_t number(const char *word, uint32_t otherwise)
{
	return word ? (uint32_t)strtoul(word, NULL, 0) : otherwise;
}

/* false: it is not one of those that need a channel. */
static bool use_channel(char **w, int n)
{
	const char *what = w[0];

	if (!strcmp(what, "listen") && n == 3)
		do_listen(w[1], (uint16_t)number(w[2], 0));
	else if (!strcmp(what, "connect") && n == 4)
		do_connect(w[1], w[2], (uint16_t)number(w[3], 0));
	else if (!strcmp(what, "send") && n >= 2)
		do_send(number(w[1], 0), number(w[2], 1));
	else if (!strcmp(what, "recv") || !strcmp(what, "echo"))
		do_recv(number(w[1], 1), !strcmp(what, "echo"));
	else if (!strcmp(what, "stream") && n == 3)
		do_stream(number(w[1], 0), number(w[2], 1));
	else if (!strcmp(what, "count"))
		do_count();
	else if (!strcmp(what, "poke") && n == 3)
		do_poke(strtoull(w[1], NULL, 0), w[2]);
	else if (!strcmp(what, "garbage") && n == 3)
		do_garbage(w[1], number(w[2], 0));
	else if (!strcmp(what, "flood") && n == 2)
		do_flood(number(w[1], 0));
	else if (!strcmp(what, "index") && n >= 2)
		do_index(number(w[1], 0), number(w[2], 1));
	else if (!strcmp(what, "twice") && n == 2)
		do_twice(number(w[1], 0));
	else if (!strcmp(what, "chain") && n == 3)
		do_chain(number(w[1], 0), number(w[2], 0));
	else if (!strcmp(what, "request") && n == 2)
		do_request(number(w[1], 0));
	else
		return false;
	return true;
}

static void obey(char **w, int n)
{
	if (!strcmp(w[0], "register")) {
		do_register();
	} else if (!strcmp(w[0], "attach")) {
		do_attach(number(w[1], 4096));
	} else if (!strcmp(w[0], "crash")) {
		raise(SIGKILL);
	} else if (!strcmp(w[0], "flow") && n == 5) {
		flow = (struct lay_flow){ ip(w[1]), ip(w[3]), (uint16_t)number(w[2], 0),
					  (uint16_t)number(w[4], 0) };
		ok();
	} else if (!ctx || !use_channel(w, n)) {
		error("what?");
	}
}

int main(int argc, char **argv)
{
	char line[4096];

	if (argc != 2) {
		fprintf(stderr, "usage: machnet_app SOCKET\n");
		return 2;
	}
	path = argv[1];
	message = malloc(MESSAGE_MAX);
	while (message && fgets(line, sizeof(line), stdin)) {
		char *w[WORDS + 1] = { NULL }, *rest = line;
		int n = 0;

		while (n < WORDS && (w[n] = strtok_r(rest, " \n", &rest)))
			n++;
		if (n)
			obey(w, n);
	}
	return 0;
}
