/* SPDX-License-Identifier: BSD-3-Clause */
/* The service manager's notification protocol: see sd_notify(3). */
#ifndef REEVE_BASE_NOTIFY_H
#define REEVE_BASE_NOTIFY_H

/*
 * Sends one state, such as "READY=1\nSTATUS=...", to the socket that
 * $NOTIFY_SOCKET names. 0 when sent or when there is no such socket to tell;
 * otherwise a negative errno, which a daemon may ignore.
 */
int notify_send(const char *state);
/* With `nfds` (at most FD_PASS_MAX) descriptors, which stay the caller's. */
int notify_send_fds(const char *state, const int *fds, unsigned nfds);

#endif
