/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/res.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[RES_LCORE] = "lcore",	   [RES_QUEUE] = "queue",
	[RES_FLOW] = "flow",	   [RES_UDP_PORT] = "udp_port",
	[RES_XDP] = "xdp",	   [RES_QP] = "qp",
	[RES_VM] = "vm",	   [RES_CHANNEL] = "channel",
	[RES_ADDRESS] = "address",
};
_Static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == RES_KIND_MAX, "a name for each kind");

const char *res_kind_name(uint32_t kind)
{
	return kind < RES_KIND_MAX ? kind_names[kind] : NULL;
}

int res_kind_parse(const char *name)
{
	for (int kind = 0; kind < RES_KIND_MAX; kind++)
		if (!strcmp(name, kind_names[kind]))
			return kind;
	return -ENOENT;
}

/*
 * SipHash-2-4 under a key that everybody knows, zeros. A hash that can be solved for a
 * part of the address would let a tenant find one within its own prefix that stands for
 * another tenant's, and keep that from it.
 */
struct sip {
	uint64_t v[4];
};

static uint64_t rotate(uint64_t word, unsigned by)
{
	return word << by | word >> (64 - by);
}

static void sip_rounds(struct sip *s, unsigned n)
{
	uint64_t *v = s->v;

	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_add(struct sip *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_rounds(s, 2);
	s->v[0] ^= word;
}

static uint64_t hash(const uint8_t bytes[static 16])
{
	struct sip s = { { UINT64_C(0x736f6d6570736575), UINT64_C(0x646f72616e646f6d),
			   UINT64_C(0x6c7967656e657261), UINT64_C(0x7465646279746573) } };
	uint64_t words[2];

	memcpy(words, bytes, sizeof(words));
	sip_add(&s, le64toh(words[0]));
	sip_add(&s, le64toh(words[1]));
	sip_add(&s, UINT64_C(16) << 56); /* how many bytes there were */
	s.v[2] ^= 0xff;
	sip_rounds(&s, 4);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

static uint64_t address_id(const struct ipaddr *a)
{
	const uint8_t *four = ipaddr_4(a);

	if (ipaddr_is4(a))
		return (uint64_t)four[0] << 24 | four[1] << 16 | four[2] << 8 | four[3];
	return RES_ADDRESS_IPV6 | hash(a->b);
}

struct res res_address(uint32_t ifindex, const struct ipaddr *a)
{
	return (struct res){ .kind = RES_ADDRESS, .scope = ifindex, .id = address_id(a) };
}

bool res_ipv4(const struct res *res, struct ipaddr *ret)
{
	uint32_t id = htobe32((uint32_t)res->id);
	uint8_t four[4];

	if (res->kind != RES_ADDRESS || res->id > UINT32_MAX)
		return false;
	memcpy(four, &id, sizeof(four));
	ipaddr_from4(ret, four);
	return true;
}

static void format_address(const struct res *res, const struct ipaddr *a, char *buf, size_t size)
{
	static const struct ipaddr none;
	char text[IPADDR_TEXT];
	struct ipaddr four;

	if (res_ipv4(res, &four))
		a = &four;
	if (a && !ipaddr_equal(a, &none)) {
		ipaddr_format(a, text);
		snprintf(buf, size, "address %s", text);
	} else {
		snprintf(buf, size, "IPv6 address");
	}
}

/* What of the id a person knows it by: of some, the owner's number is a part. */
static void format_id(const struct res *res, const struct ipaddr *a, char *buf, size_t size)
{
	const char *name = res_kind_name(res->kind);

	switch (res->kind) {
	case RES_XDP:
		snprintf(buf, size, "%s", name);
		break;
	case RES_UDP_PORT:
		snprintf(buf, size, "%s %u", name, (unsigned)(res->id & 0xffff));
		break;
	case RES_FLOW:
		snprintf(buf, size, "%s%s %" PRIu32, res->id & RES_FLOW_SOFT ? "soft " : "", name,
			 (uint32_t)res->id);
		break;
	case RES_ADDRESS:
		format_address(res, a, buf, size);
		break;
	default:
		snprintf(buf, size, "%s %" PRIu64, name ? name : "?", res->id);
	}
}

size_t res_format_address(const struct res *res, const struct ipaddr *a, char *buf, size_t size)
{
	char what[IPADDR_TEXT + 16];
	int n;

	format_id(res, a, what, sizeof(what));
	if (res->scope)
		n = snprintf(buf, size, "%s of if %" PRIu32, what, res->scope);
	else
		n = snprintf(buf, size, "%s", what);
	return (size_t)n < size ? (size_t)n : size - 1;
}

size_t res_format(const struct res *res, char *buf, size_t size)
{
	return res_format_address(res, NULL, buf, size);
}
