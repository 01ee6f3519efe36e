/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon that follows a script: it answers one connection on a socket of its
 * own, in a thread, and keeps what it was asked. Included by tests, behind
 * cmocka.h.
 */
#ifndef REEVE_TEST_FAKE_DAEMON_H
#define REEVE_TEST_FAKE_DAEMON_H

#include <jansson.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <reeve/reeve.h>

enum { ASKED_MAX = 4096 };

enum act {
	END,   /* keep the connection until the client closes it */
	ASK,   /* wait for one request */
	SAY,   /* send a text and its NUL */
	SPLIT, /* the same, each byte once the one before was read */
	RAW,   /* send a text without a NUL */
	HUGE_, /* send 17 MiB without a NUL */
	CLOSE,
};

struct step {
	enum act act;
	const char *text;
	const int *fds; /* go with the text */
	unsigned nfds;
};

struct fake {
	char dir[32], path[64];
	int listener;
	const struct step *script;
	pthread_t thread;
	char asked[ASKED_MAX]; /* the requests, one a line */
	size_t nasked;
};

#define HELLO                                                                       \
	{ ASK },                                                                    \
	{                                                                           \
		SAY, "{\"parameters\":{\"api\":1,\"version\":\"0.1.0\",\"pid\":7}}" \
	}

static inline void hear(struct fake *f, int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) == 1 && c && f->nasked < ASKED_MAX - 2)
		f->asked[f->nasked++] = c;
	f->asked[f->nasked++] = '\n';
}

static inline void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static inline void say_fds(int fd, const struct step *s)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (char *)s->text, .iov_len = strlen(s->text) + 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = CMSG_SPACE(s->nfds * sizeof(int)) };
	struct cmsghdr *m = CMSG_FIRSTHDR(&msg);

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(s->nfds * sizeof(int));
	memcpy(CMSG_DATA(m), s->fds, s->nfds * sizeof(int));
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static inline void say_split(int fd, const char *text, size_t len)
{
	struct pollfd p = { .fd = fd };

	for (size_t i = 0; i < len; i++) {
		int unread = 1;

		say(fd, text + i, 1);
		while (unread > 0 && poll(&p, 1, 0) == 0) {
			sched_yield();
			ioctl(fd, SIOCOUTQ, &unread);
		}
	}
}

static inline void say_huge(int fd)
{
	static char chunk[1 << 20];

	memset(chunk, ' ', sizeof(chunk));
	for (unsigned i = 0; i < 17; i++)
		say(fd, chunk, sizeof(chunk));
}

static inline void *fake_run(void *arg)
{
	struct fake *f = arg;
	int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	const struct step *s;
	char c;

	for (s = f->script; s->act != END && s->act != CLOSE; s++) {
		if (s->act == ASK)
			hear(f, fd);
		else if (s->act == SAY && s->nfds)
			say_fds(fd, s);
		else if (s->act == SAY)
			say(fd, s->text, strlen(s->text) + 1);
		else if (s->act == SPLIT)
			say_split(fd, s->text, strlen(s->text) + 1);
		else if (s->act == RAW)
			say(fd, s->text, strlen(s->text));
		else
			say_huge(fd);
	}
	while (s->act == END && recv(fd, &c, 1, 0) == 1)
		;
	close(fd);
	return NULL;
}

static inline void fake_start(struct fake *f, const struct step *script)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*f = (struct fake){ .script = script, .dir = "/tmp/reeve-test-XXXXXX" };
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->listener, 1), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

static inline void fake_stop(struct fake *f)
{
	pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
	rmdir(f->dir);
}

static inline struct reeve *open_ok(struct fake *f, const struct step *script)
{
	struct reeve *r = NULL;

	fake_start(f, script);
	assert_int_equal(reeve_open(f->path, &r), 0);
	assert_string_equal(reeve_error(r), "");
	return r;
}

static inline void finish(struct fake *f, struct reeve *r)
{
	reeve_close(r);
	fake_stop(f);
}

/* The n-th request as JSON; a failed assertion when there is none. */
static inline json_t *asked(struct fake *f, unsigned n)
{
	const char *line = f->asked;
	json_t *j;

	for (; n; n--) {
		line = strchr(line, '\n');
		assert_non_null(line);
		line++;
	}
	j = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(j);
	return j;
}

static inline void assert_asked(struct fake *f, unsigned n, const char *json)
{
	json_t *want = json_loads(json, 0, NULL), *got = asked(f, n);
	char *text = json_dumps(got, JSON_COMPACT);

	assert_non_null(want);
	if (!json_equal(want, got))
		fail_msg("asked %s, expected %s", text, json);
	free(text);
	json_decref(want);
	json_decref(got);
}

#endif
