/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * File descriptors, close-on-exec and non-blocking from birth. Everything here
 * returns a descriptor or a count, or a negative errno, and retries EINTR.
 */
#ifndef REEVE_BASE_FD_H
#define REEVE_BASE_FD_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { FD_PASS_MAX = 253 }; /* the kernel's SCM_MAX_FD */

/* SOCK_SEQPACKET pair: message boundaries are kept. */
int fd_socketpair(int ret[2]);

/* -EAGAIN when nobody is waiting. */
int fd_accept(int listener);

/* Room for what goes with a message. */
struct fd_rights {
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
};

/* *msg will pass the descriptors (1 to FD_PASS_MAX); *room lives as long as it. */
void fd_put_rights(struct fd_rights *room, struct msghdr *msg, const int *fds, unsigned nfds);

/*
 * Sends one message, with `nfds` (at most FD_PASS_MAX) descriptors whose
 * ownership stays here. Never raises SIGPIPE.
 */
ssize_t fd_send(int sock, const void *buf, size_t len, const int *fds, unsigned nfds);

/*
 * Receives one message. *ret_nfds descriptors, now the caller's, are stored in
 * fds; those above `max_fds` are closed. 0 is end of file; -EMSGSIZE: a packet
 * longer than `size`, which is gone with its descriptors.
 */
ssize_t fd_recv(int sock, void *buf, size_t size, int *fds, unsigned max_fds, unsigned *ret_nfds);

/* Reads a whole small file (sysfs, procfs); NUL-terminates; -EFBIG when it does not fit. */
ssize_t fd_read_file(int dirfd, const char *path, char *buf, size_t size);

/* One write of the whole text; a short write is -EIO. */
int fd_write_file(int dirfd, const char *path, const char *text);

#endif
