/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages into the channel's buffers, and out of them. A message is a chain of buffers,
 * each but the last one full; a ring has the index of the first.
 */
#ifndef REEVE_SHIM_MESSAGE_H
#define REEVE_SHIM_MESSAGE_H

#include "shim/channel.h"

/* 0, -EAGAIN, -EINVAL, -EMSGSIZE, or what broke the channel; on failure nothing is sent. */
int message_send(struct channel *c, const MachnetMsgHdr_t *m);

/* 1 with m's msg_size and flow_info, 0, -EMSGSIZE with msg_size, -EBADMSG; or as above. */
int message_recv(struct channel *c, MachnetMsgHdr_t *m);

#endif
