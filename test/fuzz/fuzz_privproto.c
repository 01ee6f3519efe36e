/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a private message. The first two say which side it comes from
 * and how many descriptors it has; the rest is the message. What passes has
 * sound strings, counts and enums; and no request gets a CPU, a plane or an
 * interface that the config withholds.
 */
#include <string.h>

#include "base/str.h"
#include "privproto/privproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEDIA = 2, OTHER };

static void require(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static const struct conf *config(void)
{
	static struct conf c;

	if (c.magic)
		return &c;
	conf_defaults(&c);
	c.ntenants = 4;
	str_copy(c.tenants[MEDIA].name, TENANT_NAME_MAX, "media");
	str_copy(c.tenants[MEDIA].cgroup, PEER_CGROUP_MAX, "/media");
	c.tenants[MEDIA].enforce = ENFORCE_CPUSET;
	str_copy(c.tenants[OTHER].name, TENANT_NAME_MAX, "other");
	cpuset_add(&c.tenants[OTHER].cpus, 6);
	cpuset_add(&c.never, 0);
	c.planes = 0;
	c.closed = 1U << PLANE_MTL;
	c.nnics = 1;
	str_copy(c.nics[0].text, NIC_NAME_MAX, "ens*");
	c.tenants[MEDIA].quota.max[RES_XDP] = 1;
	require(conf_check(&c, NULL) == 0);
	return &c;
}

/* What is used as an index, a count or a size as it stands. */
static void check_nic_fields(const union pp_msg *m)
{
	switch (m->head.type) {
	case PP_NIC_OPEN:
		require(strlen(m->nic_open.name) < NIC_NAME_MAX);
		break;
	case PP_NIC_QUEUE:
		require(m->nic_queue.queue < NIC_QUEUES_MAX);
		break;
	case PP_NIC_PORT:
		require(m->nic_port.port && m->nic_port.port < NIC_PORTS);
		break;
	case PP_NIC_FLOW:
		require(!m->nic_flow.on || m->nic_flow.flow.queue < NIC_QUEUES_MAX);
		break;
	case PP_NIC_XSK:
		require(m->nic_xsk.queue < NIC_QUEUES_MAX);
		require((uint64_t)m->nic_xsk.frames * m->nic_xsk.frame_size <= 64 << 20);
		require(m->nic_xsk.rx && m->nic_xsk.fill);
		break;
	case PP_NIC_COUNT:
		require(m->nic_count.n <= PP_COUNTS_MAX);
		break;
	case PP_NIC_FDS:
		require(strlen(m->nic_fds.why) < sizeof(m->nic_fds.why));
		break;
	default:
		break;
	}
}

static void check_fields(const union pp_msg *m)
{
	switch (m->head.type) {
	case PP_HELLO:
		require(strlen(m->hello.version_text) < sizeof(m->hello.version_text));
		break;
	case PP_RESUME:
		require(m->resume.n && m->resume.n <= FD_PASS_MAX);
		break;
	case PP_ACCEPT:
		require(m->accept.door < PP_DOOR_MAX);
		require(m->accept.peer.ngroups <= PEER_GROUPS_MAX);
		require(strlen(m->accept.peer.cgroup) < PEER_CGROUP_MAX);
		break;
	case PP_RESULT:
		require(m->result.error >= 0);
		require(strlen(m->result.why) < sizeof(m->result.why));
		break;
	default:
		check_nic_fields(m);
		break;
	}
}

static void check_nic_ceilings(const union pp_msg *m)
{
	struct err e = { 0 };

	if (m->head.type == PP_NIC_OPEN &&
	    !pp_allow_nic_open(config(), &m->nic_open, m->nic_open.name, &e))
		require(!strncmp(m->nic_open.name, "ens", 3));
	if (m->head.type == PP_NIC_OWNER &&
	    !pp_allow_nic_owner(config(), &m->nic_owner, "ens1", &e))
		require(m->nic_owner.tenant == MEDIA || m->nic_owner.tenant == TENANT_SYSTEM);
	if (m->head.type == PP_NIC_QUEUE &&
	    !pp_allow_nic_queue(config(), &m->nic_queue, "ens1", &e))
		require(m->nic_queue.queue || !m->nic_queue.on);
}

static void check_ceilings(const union pp_msg *m)
{
	struct err e = { 0 };

	if (m->head.type == PP_CPUSET && !pp_allow_cpuset(config(), &m->cpuset, &e)) {
		require(m->cpuset.tenant == MEDIA);
		require(m->cpuset.want <= ENFORCE_CPUSET);
		require(!cpuset_has(&m->cpuset.cpus, 0));
		require(!cpuset_has(&m->cpuset.cpus, 6));
	}
	if (m->head.type == PP_PLANE && !pp_allow_plane(config(), &m->plane, &e))
		require(!m->plane.on);
	check_nic_ceilings(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union pp_msg m = { 0 };
	size_t len;

	if (size < 2)
		return 0;
	len = size - 2 < sizeof(m) ? size - 2 : sizeof(m);
	memcpy(&m, data + 2, len);
	if (pp_check(&m, size - 2, data[1], data[0] & 1 ? PP_CORE : PP_REEVED) < 0)
		return 0;
	require(size - 2 == pp_size(m.head.type));
	check_fields(&m);
	check_ceilings(&m);
	return 0;
}
