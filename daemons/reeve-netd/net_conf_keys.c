/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-netd/net_conf_keys.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "port/port.h"

struct net_iface *build_iface(const struct build *b)
{
	return &b->c->ifaces[b->c->nifaces];
}

const char *quote(char to[static QUOTE_MAX], const char *text)
{
	str_escape(to, QUOTE_MAX, text, strlen(text));
	return to;
}

static const char *kind(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_NULL:
		return "null";
	default:
		return "a truth value";
	}
}

const char *key_text(const json_t *value, struct err *e)
{
	if (!json_is_string(value))
		fail(e, EINVAL, "a string is wanted here, not %s", kind(value));
	return json_string_value(value);
}

int key_number(const json_t *value, uint64_t min, uint64_t max, uint64_t *ret, struct err *e)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_number(value))
		return fail(e, EINVAL, "a number is wanted here, not %s", kind(value));
	if (!json_is_integer(value) || n < (json_int_t)min || n > (json_int_t)max)
		return fail(e, EINVAL, "it is a whole number from %" PRIu64 " to %" PRIu64, min,
			    max);
	*ret = (uint64_t)n;
	return 0;
}

/* A comment in the original's source has the number as a string, though its parser aborts on one.
 */
static int set_engine_threads(struct build *b, const json_t *value, struct err *e)
{
	const char *text = json_string_value(value);
	uint64_t n = 0;
	int r;

	if (!text) {
		r = key_number(value, 1, NET_THREADS_MAX, &n, e);
		if (r < 0)
			return r;
	} else if (str_u64(text, NET_THREADS_MAX, &n) < 0 || !n) {
		return fail(e, EINVAL, "it is a whole number from 1 to %d", NET_THREADS_MAX);
	}
	build_iface(b)->engine_threads = (uint32_t)n;
	return 0;
}

/* --- cpu_mask ------------------------------------------------------------- */

static unsigned digit_value(char digit)
{
	return isdigit((unsigned char)digit) ? (unsigned)(digit - '0')
					     : (unsigned)(tolower((unsigned char)digit) - 'a') + 10;
}

/* -EINVAL: not hexadecimal; -ERANGE: a CPU at or above CPU_MAX. */
static int parse_mask(const char *text, struct cpuset *ret)
{
	const char *digits = strncasecmp(text, "0x", 2) ? text : text + 2;
	size_t len = strspn(digits, "0123456789abcdefABCDEF");

	if (!len || digits[len])
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned value = digit_value(digits[len - 1 - i]);

		if (value && i >= CPU_MAX / 4)
			return -ERANGE;
		for (unsigned k = 0; k < 4; k++)
			if (value >> k & 1)
				cpuset_add(ret, (unsigned)i * 4 + k);
	}
	return 0;
}

static int set_cpu_mask(struct build *b, const json_t *value, struct err *e)
{
	struct cpuset *cpus = &build_iface(b)->cpus;
	const char *text = json_string_value(value);
	char q[QUOTE_MAX];
	int r;

	if (!text)
		return fail(e, EINVAL,
			    "the mask is a string of hexadecimal digits such as "
			    "\"0x3\", not %s",
			    kind(value));
	r = parse_mask(text, cpus);
	if (r == -ERANGE)
		return fail(e, EINVAL, "the mask goes beyond CPU %d", CPU_MAX - 1);
	if (r < 0)
		return fail(e, EINVAL, "\"%s\" is no hexadecimal mask such as \"0x3\"",
			    quote(q, text));
	return cpuset_empty(cpus) ? fail(e, EINVAL, "the mask has no CPU") : 0;
}

/* --- which interface ------------------------------------------------------ */

/* Whether `at`, an offset in struct net_iface, has the same text in an interface before. */
static bool is_repeated(const struct build *b, size_t at)
{
	const char *text = (const char *)build_iface(b) + at;

	for (uint32_t i = 0; i < b->c->nifaces; i++)
		if (!strcmp((const char *)&b->c->ifaces[i] + at, text))
			return true;
	return false;
}

/* "05:00.0" stands for domain 0, as lspci(8) has it. */
static bool parse_pcie(const char *text, char ret[static NET_PCIE_MAX])
{
	static const char *const forms[] = { "hhhh:hh:hh.o", "hhhhh:hh:hh.o", "hh:hh.o" };
	size_t len = strlen(text);

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		size_t i = 0;

		for (; i < len && forms[f][i]; i++)
			if (!(forms[f][i] == 'h'   ? isxdigit((unsigned char)text[i])
			      : forms[f][i] == 'o' ? text[i] >= '0' && text[i] <= '7'
						   : text[i] == forms[f][i]))
				break;
		if (i < len || forms[f][i])
			continue;
		snprintf(ret, NET_PCIE_MAX, "%s%s", len < 12 ? "0000:" : "", text);
		for (char *p = ret; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		return true;
	}
	return false;
}

static int set_pcie(struct build *b, const json_t *value, struct err *e)
{
	const char *text = key_text(value, e);
	char q[QUOTE_MAX];

	if (!text)
		return -EINVAL;
	if (!parse_pcie(text, build_iface(b)->pcie))
		return fail(e, EINVAL, "\"%s\" is no PCI address such as \"0000:00:05.0\"",
			    quote(q, text));
	if (is_repeated(b, offsetof(struct net_iface, pcie)))
		return fail(e, EINVAL, "%s is another interface's above", build_iface(b)->pcie);
	return 0;
}

static int set_ifname(struct build *b, const json_t *value, struct err *e)
{
	char *name = build_iface(b)->ifname, q[QUOTE_MAX];
	const char *text = key_text(value, e);

	if (!text)
		return -EINVAL;
	if (!str_copy(name, NIC_NAME_MAX, text) || !nic_name_sound(name))
		return fail(e, EINVAL, "\"%s\" is no name of an interface", quote(q, text));
	if (is_repeated(b, offsetof(struct net_iface, ifname)))
		return fail(e, EINVAL, "\"%s\" is another interface's above", quote(q, text));
	return 0;
}

/* --- ports ------------------------------------------------------------------- */

/* "888" or "40000-40999" */
static bool parse_ports(const char *text, struct net_ports *ret)
{
	size_t first = strspn(text, "0123456789"), last;
	unsigned long from, to;

	last = text[first] == '-' ? strspn(text + first + 1, "0123456789") : 0;
	if (!first || first > 5 || last > 5 || text[first + (last ? last + 1 : 0)])
		return false;
	from = strtoul(text, NULL, 10);
	to = last ? strtoul(text + first + 1, NULL, 10) : from;
	*ret = (struct net_ports){ (uint16_t)from, (uint16_t)to };
	return from && from <= to && to <= UINT16_MAX;
}

static int add_ports(struct net_iface *f, const json_t *value, struct err *e)
{
	const char *text = key_text(value, e);
	struct net_ports p;
	char q[QUOTE_MAX];

	if (!text)
		return -EINVAL;
	if (!parse_ports(text, &p))
		return fail(e, EINVAL, "\"%s\" is no port or range of them such as \"40000-40999\"",
			    quote(q, text));
	if (f->nports == NET_PORTS_MAX)
		return fail(e, EINVAL, "there are more than %d ranges", NET_PORTS_MAX);
	for (uint32_t i = 0; i < f->nports; i++)
		if (p.first <= f->ports[i].last && f->ports[i].first <= p.last)
			return fail(e, EINVAL, "\"%s\" has ports that are named before",
				    quote(q, text));
	f->ports[f->nports++] = p;
	return 0;
}

static int set_ports(struct build *b, const json_t *value, struct err *e)
{
	const json_t *one;
	size_t i;
	int r = 0;

	if (!json_is_array(value))
		return fail(e, EINVAL, "a list is wanted here, not %s", kind(value));
	json_array_foreach(value, i, one) {
		r = add_ports(build_iface(b), one, e);
		if (r < 0)
			break;
	}
	return r;
}

/* --- how it is driven ----------------------------------------------------- */

static int set_backend(struct build *b, const json_t *value, struct err *e)
{
	const char *text = key_text(value, e);
	char q[QUOTE_MAX];

	if (!text)
		return -EINVAL;
	if (!strcmp(text, "dpdk"))
		return fail(e, EINVAL, "this build has no backend \"dpdk\", only \"af_xdp\"");
	if (strcmp(text, "af_xdp"))
		return fail(e, EINVAL, "the backend is \"af_xdp\", not \"%s\"", quote(q, text));
	build_iface(b)->backend = NET_BACKEND_AF_XDP;
	return 0;
}

static int set_mode(struct build *b, const json_t *value, struct err *e)
{
	const char *text = key_text(value, e);
	char q[QUOTE_MAX];
	int mode;

	if (!text)
		return -EINVAL;
	mode = nic_want_mode_parse(text);
	if (mode < 0)
		return fail(e, EINVAL,
			    "the mode is \"auto\", \"native\" or \"generic\", not \"%s\"",
			    quote(q, text));
	build_iface(b)->mode = (enum nic_want_mode)mode;
	return 0;
}

static int set_mtu(struct build *b, const json_t *value, struct err *e)
{
	uint64_t mtu = 0;
	int r = key_number(value, PORT_MTU_MIN, PORT_MTU_MAX, &mtu, e);

	if (r < 0)
		return r;
	build_iface(b)->mtu = (uint32_t)mtu;
	return 0;
}

const struct net_key net_keys[] = {
	{ "ip", true, set_ip },
	/* Behind `ip`, since they are about its addresses. */
	{ "prefix", false, set_prefix },
	{ "gateway", false, set_gateway },
	{ "gateway6", false, set_gateway6 },
	{ "engine_threads", false, set_engine_threads },
	{ "cpu_mask", false, set_cpu_mask },
	{ "pcie", false, set_pcie },
	{ "ifname", false, set_ifname },
	{ "backend", false, set_backend },
	{ "mode", false, set_mode },
	{ "mtu", false, set_mtu },
	{ "ports", false, set_ports },
	{ NULL },
};
