/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets by which others may pass descriptors that nobody wants. */
#ifndef REEVE_MECH_DISCARD_H
#define REEVE_MECH_DISCARD_H

#include <stdbool.h>

/* From now on nobody passes a descriptor by this socket; false: this kernel can't forbid it. */
bool descriptors_refuse(int sock);
/* Ends the connection; false: nothing is left in it, so that to close it makes nobody wait. */
bool discard_has_unread(int fd);
/* Closes a client's socket, and with it whatever the client left unread in it. */
void discard(int fd, bool foreign_fds);

#endif
