/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/app.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "shim/door.h"

static_assert(sizeof(g_app_uuid) == sizeof(((struct chan_msg *)NULL)->app), "one id");

int g_ctrl_socket = -1;
unsigned char g_app_uuid[16];
char g_app_uuid_str[37];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for the three, and: */
static uint32_t next_id;

/* A random one, by its version and variant. */
static int make_uuid(unsigned char ret[static 16])
{
	if (getrandom(ret, 16, 0) != 16)
		return -errno;
	ret[6] = (unsigned char)((ret[6] & 0x0f) | 0x40);
	ret[8] = (unsigned char)((ret[8] & 0x3f) | 0x80);
	return 0;
}

static void format_uuid(const unsigned char id[static 16], char ret[static 37])
{
	char *at = ret;

	for (int i = 0; i < 16; i++)
		at += snprintf(at, 4, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			       id[i]);
}

static void forget(void)
{
	if (g_ctrl_socket >= 0)
		close(g_ctrl_socket);
	g_ctrl_socket = -1;
	memset(g_app_uuid, 0, sizeof(g_app_uuid));
	memset(g_app_uuid_str, 0, sizeof(g_app_uuid_str));
}

static bool registered(void)
{
	return g_ctrl_socket >= 0 && door_is_open(g_ctrl_socket);
}

static int begin(void)
{
	struct chan_msg m = { .type = CHAN_REGISTER, .id = next_id++ };
	_cleanup_fd_ int sock = -1;
	int r = make_uuid(m.app);

	if (r == 0)
		r = door_connect(&sock);
	if (r == 0)
		r = door_ask(sock, &m, NULL);
	if (r < 0)
		return r;
	memcpy(g_app_uuid, m.app, sizeof(g_app_uuid));
	format_uuid(g_app_uuid, g_app_uuid_str);
	g_ctrl_socket = take_fd(&sock);
	return 0;
}

int app_register(void)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	if (!registered()) {
		forget();
		r = begin();
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static int prepare(struct chan_msg *m)
{
	int r = -ENOTCONN;

	pthread_mutex_lock(&lock);
	if (registered()) {
		m->id = next_id++;
		memcpy(m->app, g_app_uuid, sizeof(m->app));
		r = make_uuid(m->channel.channel);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int app_attach(uint32_t buffers, struct channel **ret)
{
	struct chan_msg m = { .type = CHAN_REQ_CHANNEL,
			      .channel = { .rings = CHAN_RINGS, .buffers = buffers } };
	_cleanup_fd_ int sock = -1, fd = -1;
	int r = prepare(&m);

	if (r == 0)
		r = door_connect(&sock);
	if (r == 0)
		r = door_ask(sock, &m, &fd);
	if (r == 0)
		r = channel_map(fd, sock, ret);
	if (r == 0)
		take_fd(&sock);
	return r;
}
