/* SPDX-License-Identifier: BSD-3-Clause */
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "reeved.h"

static void set_inherited(int fd, bool on)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

uint64_t handover_inode(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

/* --- the one that goes ----------------------------------------------------------- */

static void set_all_inherited(const struct reeved *d, bool on)
{
	set_inherited(d->lock_fd, on);
	for (int kind = 0; kind < PP_DOOR_MAX; kind++)
		set_inherited(d->doors[kind].fd, on);
	for (uint32_t slot = 0; slot < d->clients.high; slot++)
		set_inherited(d->clients.kept[slot].fd, on);
}

static void fill(const struct reeved *d, struct handover *h)
{
	h->lock_fd = d->lock_fd;
	h->core_pid = (int32_t)d->core.pid;
	for (int kind = 0; kind < PP_DOOR_MAX; kind++) {
		h->doors[kind].fd = d->doors[kind].fd;
		str_copy(h->doors[kind].path, sizeof(h->doors[kind].path), d->doors[kind].path);
	}
	for (uint32_t slot = 0; slot < d->clients.high; slot++) {
		const struct kept *k = &d->clients.kept[slot];

		if (k->fd >= 0)
			h->clients[h->nclients++] = (struct handover_client){
				.conn = { .slot = slot, .use = k->use },
				.door = k->door,
				.fd = k->fd,
				.ino = handover_inode(k->fd),
			};
	}
}

static size_t bytes_for(uint32_t clients)
{
	return sizeof(struct handover) + clients * sizeof(struct handover_client);
}

int handover_make(struct reeved *d, struct err *e)
{
	const size_t bytes = bytes_for(d->clients.count);
	_cleanup_fd_ int fd = memfd_create("reeve.handover", 0);
	_cleanup_free_ struct handover *h = calloc(1, bytes);
	char text[16];

	if (fd < 0 || !h)
		return fail(e, ENOMEM, "out of memory");
	h->bytes = bytes;
	fill(d, h);
	if (write(fd, h, bytes) != (ssize_t)bytes)
		return fail(e, EIO, "can't write down what is handed over");
	snprintf(text, sizeof(text), "%d", fd);
	if (setenv(HANDOVER_ENV, text, 1) < 0)
		return fail(e, ENOMEM, "out of memory");
	set_all_inherited(d, true);
	return take_fd(&fd);
}

void handover_cancel(struct reeved *d, int fd)
{
	unsetenv(HANDOVER_ENV);
	set_all_inherited(d, false);
	close(fd);
}

/* --- the one that comes ------------------------------------------------------------ */

static struct handover *map_table(int fd, struct err *e)
{
	struct handover *h;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < (off_t)sizeof(struct handover)) {
		fail(e, EBADF, HANDOVER_ENV " names no table");
		return NULL;
	}
	h = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (h == MAP_FAILED) {
		fail(e, errno, "can't map what was handed over: %m");
		return NULL;
	}
	if (h->bytes == (uint64_t)st.st_size && h->bytes == bytes_for(h->nclients))
		return h;
	munmap(h, (size_t)st.st_size);
	fail(e, EBADMSG, HANDOVER_ENV " names a table of another version");
	return NULL;
}

/* As one that was mapped, so that it ends as that does. */
struct handover *handover_new(uint32_t most)
{
	const size_t bytes = bytes_for(most);
	struct handover *h = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

	if (h == MAP_FAILED)
		return NULL;
	h->bytes = bytes;
	h->lock_fd = -1;
	for (int kind = 0; kind < PP_DOOR_MAX; kind++)
		h->doors[kind].fd = -1;
	return h;
}

static void take_back_cloexec(const struct handover *h)
{
	set_inherited(h->lock_fd, false);
	for (int kind = 0; kind < PP_DOOR_MAX; kind++)
		set_inherited(h->doors[kind].fd, false);
	for (uint32_t i = 0; i < h->nclients; i++)
		set_inherited(h->clients[i].fd, false);
}

int handover_take(struct reeved *d, struct err *e)
{
	const char *text = getenv(HANDOVER_ENV);
	uint64_t number;
	int fd;

	if (!text)
		return 0;
	if (str_u64(text, INT32_MAX, &number) < 0)
		return fail(e, EINVAL, HANDOVER_ENV " is no number of a descriptor");
	fd = (int)number;
	unsetenv(HANDOVER_ENV);
	d->handover = map_table(fd, e);
	if (!d->handover)
		return -EBADF;
	close(fd);
	take_back_cloexec(d->handover);
	if (d->handover->core_pid > 0)
		waitpid(d->handover->core_pid, NULL, 0);
	return 0;
}

int handover_door(struct reeved *d, enum pp_door kind, const char *path)
{
	struct handover_door *door = d->handover ? &d->handover->doors[kind] : NULL;
	int fd;

	if (!door || !memchr(door->path, '\0', sizeof(door->path)) || strcmp(door->path, path) ||
	    !handover_inode(door->fd))
		return -1;
	fd = door->fd;
	door->fd = -1;
	return fd;
}

static bool is_sound(const struct handover_client *c)
{
	return c->door < PP_DOOR_MAX && c->ino && handover_inode(c->fd) == c->ino;
}

void handover_clients(struct reeved *d)
{
	struct handover *h = d->handover;

	for (uint32_t i = 0; h && i < h->nclients; i++) {
		const struct handover_client *c = &h->clients[i];

		if (!is_sound(c) ||
		    !clients_restore(&d->clients, c->conn, (enum pp_door)c->door, c->fd))
			log_say(LOG_WARN, "a client was not handed over", "slot %u", c->conn.slot);
	}
	for (int kind = 0; h && kind < PP_DOOR_MAX; kind++)
		if (h->doors[kind].fd >= 0)
			close(h->doors[kind].fd);
	if (h)
		munmap(h, h->bytes);
	d->handover = NULL;
}
