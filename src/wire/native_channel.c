/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of the methods that the message stack calls for its applications. */
#include "wire/params.h"

/* setuid() and friends take -1 for "leave it": nobody has it. */
#define ID_MAX (UINT32_MAX - 1)

/* Ids in JSON are exact up to here. */
#define NUMBER_MAX ((INT64_C(1) << 53) - 1)

void decode_act_for(struct params *p, struct native_request *q)
{
	struct peer *peer = &q->act.peer;
	int64_t uid = 0, gid = 0, pid = 0;

	take_int(p, "uid", REQUIRED, 0, ID_MAX, &uid);
	take_int(p, "gid", REQUIRED, 0, ID_MAX, &gid);
	take_int(p, "pid", OPTIONAL, 0, INT32_MAX, &pid);
	peer->uid = (uint32_t)uid;
	peer->gid = (uint32_t)gid;
	peer->pid = (uint32_t)pid;
	peer->ngroups = take_numbers(p, "groups", ID_MAX, peer->groups, PEER_GROUPS_MAX);
	take_word(p, "cgroup", OPTIONAL, peer->cgroup, sizeof(peer->cgroup));
	if (peer->cgroup[0] && peer->cgroup[0] != '/')
		params_refuse(p, "cgroup");
	take_text(p, "name", OPTIONAL, q->act.name, sizeof(q->act.name));
}

void decode_acquire_channel(struct params *p, struct native_request *q)
{
	int64_t number = 0, bytes = 0;

	take_int(p, "number", REQUIRED, 1, NUMBER_MAX, &number);
	take_int(p, "bytes", REQUIRED, 1, NUMBER_MAX, &bytes);
	q->channel.number = (uint64_t)number;
	q->channel.bytes = (uint64_t)bytes;
}
