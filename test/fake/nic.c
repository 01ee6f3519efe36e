/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake/nic.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

unsigned fake_nic_count(const struct fake_nic *nic)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < FAKE_NIC_RULES; i++)
		n += nic->used[i];
	return n;
}

void fake_nic_put(struct fake_nic *nic, uint32_t location, uint16_t port, uint32_t queue)
{
	struct ethtool_rx_flow_spec *rule = &nic->rules[location];

	*rule = (struct ethtool_rx_flow_spec){ .flow_type = UDP_V4_FLOW,
					       .ring_cookie = queue,
					       .location = location };
	rule->h_u.udp_ip4_spec.pdst = htons(port);
	rule->m_u.udp_ip4_spec.pdst = 0xffff;
	nic->used[location] = true;
}

static int count(const struct fake_nic *nic, struct ethtool_rxnfc *nfc)
{
	nfc->rule_cnt = fake_nic_count(nic);
	nfc->data = nic->size_with_list ? 0 : nic->size;
	if (nic->driver_chooses)
		nfc->data |= RX_CLS_LOC_SPECIAL;
	return 0;
}

static int list(const struct fake_nic *nic, struct ethtool_rxnfc *nfc)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FAKE_NIC_RULES; i++) {
		if (!nic->used[i])
			continue;
		if (n == nfc->rule_cnt)
			return -EMSGSIZE;
		nfc->rule_locs[n++] = i;
	}
	nfc->rule_cnt = n;
	nfc->data = nic->size;
	return 0;
}

static int get(const struct fake_nic *nic, struct ethtool_rxnfc *nfc)
{
	uint32_t at = nfc->fs.location;

	if (nic->cannot_read)
		return -EOPNOTSUPP;
	if (at >= FAKE_NIC_RULES || !nic->used[at])
		return nic->empty_reads_zero ? 0 : -ENOENT;
	nfc->fs = nic->rules[at];
	return 0;
}

static bool same_match(const struct ethtool_rx_flow_spec *a, const struct ethtool_rx_flow_spec *b)
{
	return !memcmp(a->h_u.hdata, b->h_u.hdata, sizeof(a->h_u.hdata));
}

/* The same match again: some drivers say where it is already. */
static uint32_t pick(const struct fake_nic *nic, const struct ethtool_rx_flow_spec *rule)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < FAKE_NIC_RULES; i++)
		if (nic->used[i] && same_match(&nic->rules[i], rule))
			return i;
	while (at < nic->size && nic->used[at])
		at++;
	return at;
}

static int put(struct fake_nic *nic, struct ethtool_rxnfc *nfc)
{
	if ((nfc->fs.location == RX_CLS_LOC_ANY) != nic->driver_chooses)
		return -EINVAL;
	if (nic->driver_chooses)
		nfc->fs.location = pick(nic, &nfc->fs);
	if (nfc->fs.location >= nic->size)
		return nic->driver_chooses ? -ENOSPC : -EINVAL;
	nic->used[nfc->fs.location] = true;
	nic->rules[nfc->fs.location] = nfc->fs;
	return 0;
}

static int drop(struct fake_nic *nic, const struct ethtool_rxnfc *nfc)
{
	uint32_t at = nfc->fs.location;

	if (at >= FAKE_NIC_RULES || !nic->used[at])
		return nic->delete_nothing ? nic->delete_nothing : -ENOENT;
	nic->used[at] = false;
	return 0;
}

/* As __ethtool_set_flags(). */
static int set_flags(struct fake_nic *nic, uint32_t flags)
{
	if ((flags ^ nic->flags) & nic->fixed_flags)
		return -EOPNOTSUPP;
	nic->flags = flags;
	return 0;
}

static int run(struct fake_nic *nic, void *cmd)
{
	struct ethtool_value *value = cmd;

	switch (*(uint32_t *)cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		return count(nic, cmd);
	case ETHTOOL_GRXCLSRLALL:
		return list(nic, cmd);
	case ETHTOOL_GRXCLSRULE:
		return get(nic, cmd);
	case ETHTOOL_SRXCLSRLINS:
		return put(nic, cmd);
	case ETHTOOL_SRXCLSRLDEL:
		return drop(nic, cmd);
	case ETHTOOL_GFLAGS:
		value->data = nic->flags;
		return 0;
	case ETHTOOL_SFLAGS:
		return set_flags(nic, value->data);
	default:
		return -EOPNOTSUPP;
	}
}

static struct fake_nic_call *record(struct fake_nic *nic, const void *cmd)
{
	struct fake_nic_call *call = &nic->calls[nic->ncalls++];

	assert(nic->ncalls <= FAKE_NIC_CALLS);
	memset(call, 0, sizeof(*call));
	call->cmd = *(const uint32_t *)cmd;
	if (call->cmd == ETHTOOL_GFLAGS || call->cmd == ETHTOOL_SFLAGS)
		memcpy(&call->value, cmd, sizeof(call->value));
	else
		memcpy(&call->rule, cmd, sizeof(call->rule));
	return call;
}

static int fake_call(struct ethtool_port *port, const char *ifname, void *cmd)
{
	struct fake_nic *nic = (struct fake_nic *)port;
	struct fake_nic_call *call = record(nic, cmd);

	if (nic->other)
		nic->other(nic, call->cmd);
	if (strcmp(ifname, nic->name) != 0)
		call->result = -ENODEV;
	else if (nic->fail_at && --nic->fail_at == 0)
		call->result = -nic->fail_errno;
	else
		call->result = run(nic, cmd);
	return call->result;
}

void fake_nic_init(struct fake_nic *nic, const char *name, uint32_t size)
{
	assert(size <= FAKE_NIC_RULES);
	memset(nic, 0, sizeof(*nic));
	nic->port.call = fake_call;
	nic->name = name;
	nic->size = size;
}
