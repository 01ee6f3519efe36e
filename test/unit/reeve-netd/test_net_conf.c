/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-netd/net_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MAC  "00:11:22:33:44:55"
#define MAC2 "00:11:22:33:44:66"

static struct net_conf conf;

static const struct net_conf *parsed(const char *text)
{
	struct err e = { 0 };

	memset(&conf, 0x5a, sizeof(conf));
	if (net_conf_parse("f", text, strlen(text), &conf, &e) < 0)
		fail_msg("%s", e.text);
	return &conf;
}

/* One interface with these keys. */
static const struct net_iface *iface(const char *keys)
{
	char text[1024];

	snprintf(text, sizeof(text), "{\"machnet_config\":{\"" MAC "\":{%s}}}", keys);
	assert_int_equal(parsed(text)->nifaces, 1);
	return &conf.ifaces[0];
}

static void assert_ip(const struct ipaddr *ip, const char *text)
{
	char is[IPADDR_TEXT];

	ipaddr_format(ip, is);
	assert_string_equal(is, text);
}

static void assert_cpus(const struct cpuset *s, const char *list)
{
	char text[128];

	cpuset_format(s, text, sizeof(text));
	assert_string_equal(text, list);
}

static void assert_refused(const char *text, size_t len, const char *sentence)
{
	struct err e = { 0 };

	memset(&conf, 0x5a, sizeof(conf));
	if (!net_conf_parse("f", text, len, &conf, &e))
		fail_msg("accepted: %s", text);
	assert_string_equal(e.text, sentence);
	assert_true(e.code > 0);
	assert_int_equal(conf.nifaces, 0x5a5a5a5a);
}

struct bad {
	const char *text, *sentence;
};

/* Whole files. */
static void assert_files(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(bad[i].text, strlen(bad[i].text), bad[i].sentence);
}

/* Keys of one interface; the sentence behind its place. */
static void assert_keys(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char text[1024], sentence[512];

		snprintf(text, sizeof(text), "{\"machnet_config\":{\"" MAC "\":{%s}}}",
			 bad[i].text);
		snprintf(sentence, sizeof(sentence), "f: machnet_config.\"" MAC "\"%s",
			 bad[i].sentence);
		assert_refused(text, strlen(text), sentence);
	}
}

/* --- what is accepted ------------------------------------------------------ */

static void test_original(void **state)
{
	const struct net_iface *i = iface("\"ip\": \"10.0.255.1\", \"engine_threads\": 2,"
					  "\"cpu_mask\": \"0x3\", \"pcie\": \"0000:00:0A.0\"");
	static const uint8_t mac[] = { 0, 0x11, 0x22, 0x33, 0x44, 0x55 };

	(void)state;
	assert_memory_equal(i->mac, mac, 6);
	assert_int_equal(i->naddrs, 1);
	assert_ip(&i->addrs[0].ip, "10.0.255.1");
	assert_int_equal(i->addrs[0].prefix, 0);
	assert_int_equal(i->engine_threads, 2);
	assert_cpus(&i->cpus, "0-1");
	assert_string_equal(i->pcie, "0000:00:0a.0");
}

static void test_defaults(void **state)
{
	const struct net_iface *i = iface("\"ip\": \"10.0.0.1\"");

	(void)state;
	assert_int_equal(i->engine_threads, 1);
	assert_true(cpuset_empty(&i->cpus));
	assert_int_equal(i->mtu, 0);
	assert_int_equal(i->backend, NET_BACKEND_AF_XDP);
	assert_int_equal(i->mode, NIC_MODE_AUTO);
	assert_string_equal(i->pcie, "");
	assert_string_equal(i->ifname, "");
	assert_int_equal(i->has_gateway, 0);
	assert_int_equal(i->has_gateway6, 0);
	assert_int_equal(conf.nunknown, 0);
}

static void test_additions(void **state)
{
	const struct net_iface *i = iface(
		"\"gateway6\": \"fe80::1\", \"gateway\": \"10.0.0.254\","
		"\"prefix\": [24, 64], \"ip\": [\"10.0.0.1\", \"fd00::1\"],"
		"\"ifname\": \"ens5\", \"backend\": \"af_xdp\", \"mode\": \"generic\","
		"\"mtu\": 3498, \"pcie\": \"05:00.1\", \"ports\": [\"888\", \"40000-65535\"]");

	(void)state;
	assert_int_equal(i->naddrs, 2);
	assert_int_equal(i->addrs[0].prefix, 24);
	assert_ip(&i->addrs[1].ip, "fd00::1");
	assert_int_equal(i->addrs[1].prefix, 64);
	assert_int_equal(i->has_gateway, 1);
	assert_ip(&i->gateway, "10.0.0.254");
	assert_int_equal(i->has_gateway6, 1);
	assert_ip(&i->gateway6, "fe80::1");
	assert_string_equal(i->ifname, "ens5");
	assert_int_equal(i->mode, NIC_MODE_ONLY_GENERIC);
	assert_int_equal(i->mtu, 3498);
	assert_string_equal(i->pcie, "0000:05:00.1");
	assert_int_equal(i->nports, 2);
	assert_int_equal(i->ports[0].first, 888);
	assert_int_equal(i->ports[0].last, 888);
	assert_int_equal(i->ports[1].first, 40000);
	assert_int_equal(i->ports[1].last, 65535);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_int_equal(iface("\"ip\":\"10.0.0.1\",\"prefix\":8")->addrs[0].prefix, 8);
	assert_int_equal(iface("\"ip\":\"10.0.0.0/31\"")->addrs[0].prefix, 31);
	assert_int_equal(iface("\"ip\":\"10.0.0.0/32\"")->addrs[0].prefix, 32);
	assert_int_equal(iface("\"ip\":\"10.0.0.255/16\"")->addrs[0].prefix, 16);
	assert_int_equal(iface("\"ip\":\"10.0.0.255\"")->addrs[0].prefix, 0);
	assert_int_equal(iface("\"ip\":\"10.0.0.1/0\"")->addrs[0].prefix, 0);
	assert_int_equal(iface("\"ip\":\"fd00::/127\"")->addrs[0].prefix, 127);
	assert_int_equal(iface("\"ip\":\"fd00::ffff/112\"")->addrs[0].prefix, 112);
	assert_int_equal(iface("\"ip\":[\"10.0.0.1/24\",\"10.0.0.2/24\",\"10.0.0.3\"]")->naddrs, 3);
	assert_int_equal(iface("\"ip\":[\"10.0.0.1/24\",\"fd00::1\"],"
			       "\"gateway\":\"10.0.0.2\"")
				 ->has_gateway6,
			 0);
	assert_ip(&iface("\"ip\":[\"10.0.0.1/24\",\"10.1.0.1/16\"],"
			 "\"gateway\":\"10.1.9.9\"")
			   ->gateway,
		  "10.1.9.9");
}

static void test_cpu_masks(void **state)
{
	(void)state;
	assert_cpus(&iface("\"ip\":\"10.0.0.1\",\"cpu_mask\":\"F0\"")->cpus, "4-7");
	assert_cpus(&iface("\"ip\":\"10.0.0.1\",\"cpu_mask\":\"0XFFFFFFFF\"")->cpus, "0-31");
	assert_cpus(&iface("\"ip\":\"10.0.0.1\",\"cpu_mask\":\"0x10000000000000001\"")->cpus,
		    "0,64");
	assert_cpus(&iface("\"ip\":\"10.0.0.1\",\"cpu_mask\":\"0x00a\"")->cpus, "1,3");
}

static void test_threads(void **state)
{
	(void)state;
	assert_int_equal(iface("\"ip\":\"10.0.0.1\",\"engine_threads\":\"3\"")->engine_threads, 3);
	parsed("{\"machnet_config\":{"
	       "\"" MAC "\":{\"ip\":\"10.0.0.1\",\"engine_threads\":15},"
	       "\"" MAC2 "\":{\"ip\":\"10.0.0.2\"}}}");
	assert_int_equal(conf.nifaces, 2);
}

static void test_no_interface(void **state)
{
	(void)state;
	assert_int_equal(parsed("{\"machnet_config\":{}}")->nifaces, 0);
}

static void test_unknown_top_keys(void **state)
{
	(void)state;
	parsed("{\"a\":1,\"machnet_config\":{},\"b\":{\"machnet_config\":2},\"c\":[],"
	       "\"0123456789012345678901234567890123456789\":null,\"e\":true}");
	assert_int_equal(conf.nunknown, 5);
	assert_string_equal(conf.unknown[0], "a");
	assert_string_equal(conf.unknown[2], "c");
	assert_string_equal(conf.unknown[3], "0123456789012345678901234567890");
}

static void test_short_mac(void **state)
{
	static const uint8_t mac[] = { 2, 0xa, 0, 0xff, 0, 1 };

	(void)state;
	parsed("{\"machnet_config\":{\"2:A:0:fF:00:1\":{\"ip\":\"10.0.0.1\"}}}");
	assert_memory_equal(conf.ifaces[0].mac, mac, 6);
}

/* --- what is refused ------------------------------------------------------- */

static void test_syntax(void **state)
{
	static const struct bad bad[] = {
		{ "", "f:1:0: '[' or '{' expected" },
		{ "1", "f:1:1: '[' or '{' expected" },
		{ "{\n \"machnet_config\": {,}\n}", "f:2:21: string or '}' expected" },
		{ "{\"machnet_config\":{}", "f:1:20: '}' expected" },
		{ "{\"machnet_config\":{}} x", "f:1:23: end of file expected" },
		{ "// no\n{}", "f:1:1: '[' or '{' expected" },
		{ "{\"a\": 01}", "f:1:7: invalid token" },
		{ "{\"machnet_config\":{},\n\"machnet_config\":{}}",
		  "f:2:16: duplicate object key" },
		{ "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\n\"ip\":\"10.0.0.2\"}}}",
		  "f:2:4: duplicate object key" },
		{ "{\"\\u0000\":1}", "f:1:9: NUL byte in object key not supported" },
		{ "{\"a\":\"\\u0000\"}",
		  "f:1:13: \\x5cu0000 is not allowed without JSON_ALLOW_NUL" },
		{ "{\"a\":\"\xff\"}", "f:1:6: unable to decode byte 0xff" },
		{ "{\"a\":18446744073709551616}", "f:1:25: too big integer" },
	};

	(void)state;
	assert_files(bad, ARRAY_SIZE(bad));
}

static void test_nul(void **state)
{
	static const char text[] = "{\"machnet_config\":{}}\0";

	(void)state;
	assert_refused(text, sizeof(text), "f: this is no text file: it contains a NUL byte");
}

static void test_depth(void **state)
{
	enum { DEPTH = 100000 };
	_cleanup_free_ char *text = malloc(DEPTH + 1);

	(void)state;
	assert_non_null(text);
	memset(text, '[', DEPTH);
	text[DEPTH] = '\0';
	assert_refused(text, DEPTH, "f:1:2049: maximum parsing depth reached");
}

static void test_structure(void **state)
{
	static const struct bad bad[] = {
		{ "[]", "f: the file is no JSON object" },
		{ "{}", "f: the key `machnet_config` is missing" },
		{ "{\"machnet_config\":[]}",
		  "f: machnet_config: an object with a key for each interface is wanted here" },
		{ "{\"machnet_config\":{\"eth0\":{}}}",
		  "f: machnet_config: \"eth0\" is no MAC address" },
		{ "{\"machnet_config\":{\"00:11:22:33:44\":{}}}",
		  "f: machnet_config: \"00:11:22:33:44\" is no MAC address" },
		{ "{\"machnet_config\":{\"00:11:22:33:44:55:66\":{}}}",
		  "f: machnet_config: \"00:11:22:33:44:55:66\" is no MAC address" },
		{ "{\"machnet_config\":{\"00:11:22:33:44:555\":{}}}",
		  "f: machnet_config: \"00:11:22:33:44:555\" is no MAC address" },
		{ "{\"machnet_config\":{\"00-11-22-33-44-55\":{}}}",
		  "f: machnet_config: \"00-11-22-33-44-55\" is no MAC address" },
		{ "{\"machnet_config\":{\"\\n\\\"\":{}}}",
		  "f: machnet_config: \"\\x0a\\x22\" is no MAC address" },
		{ "{\"machnet_config\":{\"01:11:22:33:44:55\":{}}}",
		  "f: machnet_config: 01:11:22:33:44:55 is no interface's MAC address" },
		{ "{\"machnet_config\":{\"0:0:0:0:0:0\":{}}}",
		  "f: machnet_config: 0:0:0:0:0:0 is no interface's MAC address" },
		{ "{\"machnet_config\":{\"00:aa:22:33:44:55\":{\"ip\":\"10.0.0.1\"},"
		  "\"0:AA:22:33:44:55\":{\"ip\":\"10.0.0.2\"}}}",
		  "f: machnet_config: 0:AA:22:33:44:55 is there twice" },
		{ "{\"machnet_config\":{\"" MAC "\":7}}",
		  "f: machnet_config.\"" MAC
		  "\": an object with the interface's keys is wanted here" },
	};

	(void)state;
	assert_files(bad, ARRAY_SIZE(bad));
}

static void test_two_interfaces(void **state)
{
	static const struct bad bad[] = {
		{ "{\"machnet_config\":{\"" MAC "\":{\"ip\":[\"10.0.0.1\",\"10.0.0.2\"]},"
		  "\"" MAC2 "\":{\"ip\":\"10.0.0.2/24\"}}}",
		  "f: machnet_config.\"" MAC2 "\".ip: 10.0.0.2 is given twice" },
		{ "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\"engine_threads\":9},"
		  "\"" MAC2 "\":{\"ip\":\"10.0.0.2\",\"engine_threads\":8}}}",
		  "f: machnet_config.\"" MAC2 "\".engine_threads: 17 threads with those of the "
		  "interfaces above; the most is 16" },
		{ "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\"ifname\":\"a\"},"
		  "\"" MAC2 "\":{\"ip\":\"10.0.0.2\",\"ifname\":\"a\"}}}",
		  "f: machnet_config.\"" MAC2 "\".ifname: \"a\" is another interface's above" },
		{ "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\"pcie\":\"5:0.0\"}}}",
		  "f: machnet_config.\"" MAC
		  "\".pcie: \"5:0.0\" is no PCI address such as \"0000:00:05.0\"" },
		{ "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\"pcie\":\"0A:00.0\"},"
		  "\"" MAC2 "\":{\"ip\":\"10.0.0.2\",\"pcie\":\"0000:0a:00.0\"}}}",
		  "f: machnet_config.\"" MAC2
		  "\".pcie: 0000:0a:00.0 is another interface's above" },
	};

	(void)state;
	assert_files(bad, ARRAY_SIZE(bad));
}

static void test_too_many_interfaces(void **state)
{
	char text[2048] = "{\"machnet_config\":{";

	(void)state;
	for (unsigned i = 0; i < 17; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s\"2:0:0:0:0:%x\":{\"ip\":\"10.0.0.%u\"}", i ? "," : "", i, i + 1);
	strncat(text, "}}", sizeof(text) - strlen(text) - 1);
	assert_refused(text, strlen(text), "f: machnet_config: there are more than 16 interfaces");
}

static void test_bad_addresses(void **state)
{
	static const struct bad bad[] = {
		{ "", ": the key `ip` is missing" },
		{ "\"ip\":null", ".ip: a string is wanted here, not null" },
		{ "\"ip\":{}", ".ip: a string is wanted here, not an object" },
		{ "\"ip\":true", ".ip: a string is wanted here, not a truth value" },
		{ "\"ip\":[]", ".ip: the list is empty" },
		{ "\"ip\":[[\"10.0.0.1\"]]", ".ip: a string is wanted here, not a list" },
		{ "\"ip\":\"\"", ".ip: \"\" is no IP address" },
		{ "\"ip\":\"300.1.1.1\"", ".ip: \"300.1.1.1\" is no IP address" },
		{ "\"ip\":\"/24\"", ".ip: \"/24\" is no IP address" },
		{ "\"ip\":\"::ffff:10.0.0.1\"", ".ip: \"::ffff:10.0.0.1\" is no IP address" },
		{ "\"ip\":\"10.0.0.1\\u0007\"", ".ip: \"10.0.0.1\\x07\" is no IP address" },
		{ "\"ip\":\"00000000000000000000000000000000000000000000000000000000000\"",
		  ".ip: \"0000000000000000000000000000000000000000000\" is no IP address" },
		{ "\"ip\":\"10.0.0.1/33\"", ".ip: \"10.0.0.1/33\" has no prefix from 0 to 32" },
		{ "\"ip\":\"10.0.0.1/\"", ".ip: \"10.0.0.1/\" has no prefix from 0 to 32" },
		{ "\"ip\":\"10.0.0.1/24/8\"", ".ip: \"10.0.0.1/24/8\" has no prefix from 0 to 32" },
		{ "\"ip\":\"fd00::1/129\"", ".ip: \"fd00::1/129\" has no prefix from 0 to 128" },
		{ "\"ip\":\"0.0.0.0\"", ".ip: 0.0.0.0 is no host's address" },
		{ "\"ip\":\"0.1.2.3\"", ".ip: 0.1.2.3 is no host's address" },
		{ "\"ip\":\"127.0.0.1\"", ".ip: 127.0.0.1 is a loopback address" },
		{ "\"ip\":\"239.1.1.1\"", ".ip: 239.1.1.1 is a multicast address" },
		{ "\"ip\":\"255.255.255.255\"", ".ip: 255.255.255.255 is a broadcast address" },
		{ "\"ip\":\"::\"", ".ip: :: is no host's address" },
		{ "\"ip\":\"::1\"", ".ip: ::1 is a loopback address" },
		{ "\"ip\":\"ff02::1\"", ".ip: ff02::1 is a multicast address" },
		{ "\"ip\":\"10.0.1.0/24\"",
		  ".ip: 10.0.1.0 is the address of a network, with prefix 24" },
		{ "\"ip\":\"10.0.1.255/24\"",
		  ".ip: 10.0.1.255 is the broadcast address of a network, with prefix 24" },
		{ "\"ip\":\"fd00::/64\"",
		  ".ip: fd00:: is the address of a network, with prefix 64" },
		{ "\"ip\":[\"10.0.0.1\",\"10.0.0.1/24\"]", ".ip: 10.0.0.1 is given twice" },
		{ "\"ip\":[\"10.0.0.1\",\"10.0.0.2\",\"10.0.0.3\",\"10.0.0.4\",\"10.0.0.5\","
		  "\"10.0.0.6\",\"10.0.0.7\",\"10.0.0.8\",\"10.0.0.9\"]",
		  ".ip: there are more than 8 addresses" },
	};

	(void)state;
	assert_keys(bad, ARRAY_SIZE(bad));
}

static void test_bad_prefixes(void **state)
{
	static const struct bad bad[] = {
		{ "\"ip\":\"10.0.0.1\",\"prefix\":33",
		  ".prefix: it is a whole number from 0 to 32" },
		{ "\"ip\":\"10.0.0.1\",\"prefix\":-1",
		  ".prefix: it is a whole number from 0 to 32" },
		{ "\"ip\":\"10.0.0.1\",\"prefix\":24.0",
		  ".prefix: it is a whole number from 0 to 32" },
		{ "\"ip\":\"10.0.0.1\",\"prefix\":\"24\"",
		  ".prefix: a number is wanted here, not a string" },
		{ "\"ip\":\"10.0.0.1/24\",\"prefix\":24",
		  ".prefix: 10.0.0.1 has a prefix already, /24 in `ip`" },
		{ "\"ip\":[\"10.0.0.1\",\"10.1.0.1\"],\"prefix\":24",
		  ".prefix: as many numbers are wanted as there are addresses, 2" },
		{ "\"ip\":[\"10.0.0.1\",\"10.1.0.1\"],\"prefix\":[24]",
		  ".prefix: as many numbers are wanted as there are addresses, 2" },
		{ "\"ip\":\"10.0.0.1\",\"prefix\":[24,24]",
		  ".prefix: as many numbers are wanted as there are addresses, 1" },
		{ "\"ip\":\"10.0.1.0\",\"prefix\":24",
		  ".prefix: 10.0.1.0 is the address of a network, with prefix 24" },
	};

	(void)state;
	assert_keys(bad, ARRAY_SIZE(bad));
}

static void test_bad_gateways(void **state)
{
	static const struct bad bad[] = {
		{ "\"ip\":\"10.0.0.1\",\"gateway\":\"10.0.0.2\"",
		  ".gateway: with a gateway, 10.0.0.1 needs a prefix" },
		{ "\"ip\":[\"10.0.0.1/24\",\"10.1.0.1\"],\"gateway\":\"10.0.0.2\"",
		  ".gateway: with a gateway, 10.1.0.1 needs a prefix" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"10.0.1.2\"",
		  ".gateway: 10.0.1.2 is in no network of `ip`" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"10.0.0.1\"",
		  ".gateway: 10.0.0.1 is the interface's own address" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"10.0.0.0\"",
		  ".gateway: 10.0.0.0 is the address of a network" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"10.0.0.255\"",
		  ".gateway: 10.0.0.255 is the broadcast address of a network" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"224.0.0.1\"",
		  ".gateway: 224.0.0.1 is a multicast address" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"fd00::1\"",
		  ".gateway: \"fd00::1\" is no IPv4 address" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":\"10.0.0.2/24\"",
		  ".gateway: \"10.0.0.2/24\" is no IPv4 address" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway\":167772162",
		  ".gateway: a string is wanted here, not a number" },
		{ "\"ip\":\"fd00::1/64\",\"gateway\":\"10.0.0.2\"",
		  ".gateway: there is no IPv4 address in `ip`" },
		{ "\"ip\":\"10.0.0.1/24\",\"gateway6\":\"fe80::1\"",
		  ".gateway6: there is no IPv6 address in `ip`" },
		{ "\"ip\":\"fd00::1/64\",\"gateway6\":\"fd01::1\"",
		  ".gateway6: fd01::1 is in no network of `ip`" },
		{ "\"ip\":\"fd00::1/64\",\"gateway6\":\"10.0.0.1\"",
		  ".gateway6: \"10.0.0.1\" is no IPv6 address" },
	};

	(void)state;
	assert_keys(bad, ARRAY_SIZE(bad));
}

static void test_bad_keys(void **state)
{
	static const struct bad bad[] = {
		{ "\"ip\":\"10.0.0.1\",\"cpus\":1", ".cpus: there is no such key" },
		{ "\"ip\":\"10.0.0.1\",\"IP\":1", ".IP: there is no such key" },
		{ "\"ip\":\"10.0.0.1\",\"\\u001b[m\":1", ".\\x1b[m: there is no such key" },
		{ "\"ip\":\"10.0.0.1\",\"engine_threads\":0",
		  ".engine_threads: it is a whole number from 1 to 16" },
		{ "\"ip\":\"10.0.0.1\",\"engine_threads\":17",
		  ".engine_threads: it is a whole number from 1 to 16" },
		{ "\"ip\":\"10.0.0.1\",\"engine_threads\":1.5",
		  ".engine_threads: it is a whole number from 1 to 16" },
		{ "\"ip\":\"10.0.0.1\",\"engine_threads\":\"0\"",
		  ".engine_threads: it is a whole number from 1 to 16" },
		{ "\"ip\":\"10.0.0.1\",\"engine_threads\":\"two\"",
		  ".engine_threads: it is a whole number from 1 to 16" },
		{ "\"ip\":\"10.0.0.1\",\"engine_threads\":[1]",
		  ".engine_threads: a number is wanted here, not a list" },
		{ "\"ip\":\"10.0.0.1\",\"cpu_mask\":3",
		  ".cpu_mask: the mask is a string of hexadecimal digits such as \"0x3\", not a "
		  "number" },
		{ "\"ip\":\"10.0.0.1\",\"cpu_mask\":\"0x\"",
		  ".cpu_mask: \"0x\" is no hexadecimal mask such as \"0x3\"" },
		{ "\"ip\":\"10.0.0.1\",\"cpu_mask\":\"0-3\"",
		  ".cpu_mask: \"0-3\" is no hexadecimal mask such as \"0x3\"" },
		{ "\"ip\":\"10.0.0.1\",\"cpu_mask\":\"0x0\"", ".cpu_mask: the mask has no CPU" },
		{ "\"ip\":\"10.0.0.1\",\"pcie\":\"0000:00:05.8\"",
		  ".pcie: \"0000:00:05.8\" is no PCI address such as \"0000:00:05.0\"" },
		{ "\"ip\":\"10.0.0.1\",\"pcie\":\"0000:00:05.0/x\"",
		  ".pcie: \"0000:00:05.0/x\" is no PCI address such as \"0000:00:05.0\"" },
		{ "\"ip\":\"10.0.0.1\",\"ifname\":\"../x\"",
		  ".ifname: \"../x\" is no name of an interface" },
		{ "\"ip\":\"10.0.0.1\",\"ifname\":\"0123456789abcdef\"",
		  ".ifname: \"0123456789abcdef\" is no name of an interface" },
		{ "\"ip\":\"10.0.0.1\",\"ifname\":\"\"",
		  ".ifname: \"\" is no name of an interface" },
		{ "\"ip\":\"10.0.0.1\",\"backend\":\"dpdk\"",
		  ".backend: this build has no backend \"dpdk\", only \"af_xdp\"" },
		{ "\"ip\":\"10.0.0.1\",\"backend\":\"tap\"",
		  ".backend: the backend is \"af_xdp\", not \"tap\"" },
		{ "\"ip\":\"10.0.0.1\",\"mode\":\"skb\"",
		  ".mode: the mode is \"auto\", \"native\" or \"generic\", not \"skb\"" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":\"888\"",
		  ".ports: a list is wanted here, not a string" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":[888]",
		  ".ports: a string is wanted here, not a number" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":[\"0\"]",
		  ".ports: \"0\" is no port or range of them such as \"40000-40999\"" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":[\"65536\"]",
		  ".ports: \"65536\" is no port or range of them such as \"40000-40999\"" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":[\"9-8\"]",
		  ".ports: \"9-8\" is no port or range of them such as \"40000-40999\"" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":[\"9-\"]",
		  ".ports: \"9-\" is no port or range of them such as \"40000-40999\"" },
		{ "\"ip\":\"10.0.0.1\",\"ports\":[\"1-9\",\"9\"]",
		  ".ports: \"9\" has ports that are named before" },
		{ "\"ip\":\"10.0.0.1\",\"mtu\":575",
		  ".mtu: it is a whole number from 576 to 3498" },
		{ "\"ip\":\"10.0.0.1\",\"mtu\":3499",
		  ".mtu: it is a whole number from 576 to 3498" },
		{ "\"ip\":\"10.0.0.1\",\"mtu\":\"1500\"",
		  ".mtu: a number is wanted here, not a string" },
	};

	(void)state;
	assert_keys(bad, ARRAY_SIZE(bad));
}

static void test_mask_too_long(void **state)
{
	char text[2304], mask[2050];

	(void)state;
	memset(mask, '0', sizeof(mask) - 1);
	mask[sizeof(mask) - 1] = '\0';
	mask[1] = '8';
	snprintf(text, sizeof(text),
		 "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\"cpu_mask\":\"%s\"}}}",
		 mask);
	assert_cpus(&parsed(text)->ifaces[0].cpus, "8191");
	mask[0] = '1';
	snprintf(text, sizeof(text),
		 "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\",\"cpu_mask\":\"%s\"}}}",
		 mask);
	assert_refused(text, strlen(text),
		       "f: machnet_config.\"" MAC "\".cpu_mask: the mask goes beyond CPU 8191");
}

/* --- files ----------------------------------------------------------------- */

static void assert_not_loaded(const char *path, const char *sentence)
{
	struct err e = { 0 };

	assert_true(net_conf_load(path, &conf, &e) < 0);
	assert_string_equal(e.text, sentence);
}

static void test_load(void **state)
{
	char path[] = "/tmp/net_conf.XXXXXX";
	static const char text[] = "{\"machnet_config\":{\"" MAC "\":{\"ip\":\"10.0.0.1\"}}}";
	_cleanup_fd_ int fd = mkstemp(path);
	struct err e = { 0 };
	char sentence[128];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(net_conf_load(path, &conf, &e), 0);
	assert_int_equal(conf.nifaces, 1);

	assert_int_equal(ftruncate(fd, NET_CONF_MAX + 1), 0);
	snprintf(sentence, sizeof(sentence), "%s: the file is larger than 1048576 bytes", path);
	assert_not_loaded(path, sentence);
	unlink(path);
	snprintf(sentence, sizeof(sentence), "%s: can't open it: No such file or directory", path);
	assert_not_loaded(path, sentence);
}

static void test_load_irregular(void **state)
{
	char path[] = "/tmp/net_conf.XXXXXX";
	char fifo[64], sentence[128];

	(void)state;
	assert_not_loaded("/dev/zero", "/dev/zero: it is no regular file");
	assert_non_null(mkdtemp(path));
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(sentence, sizeof(sentence), "%s: it is no regular file", fifo);
	assert_not_loaded(fifo, sentence);
	unlink(fifo);
	snprintf(sentence, sizeof(sentence), "%s: it is no regular file", path);
	assert_not_loaded(path, sentence);
	rmdir(path);
}

/* The sentence is worth more than the beginning of a path. */
static void test_long_path(void **state)
{
	(void)state;
	assert_not_loaded(
		"/a/very/long/path/that/nobody/wants/to/read/in/a/sentence/no/machnet.json",
		".../that/nobody/wants/to/read/in/a/sentence/no/machnet.json: can't open it: "
		"No such file or directory");
}

static void test_no_sentence_wanted(void **state)
{
	(void)state;
	assert_int_equal(net_conf_parse("f", "{}", 2, &conf, NULL), -EINVAL);
	assert_int_equal(net_conf_load("/nonexistent", &conf, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_original),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_additions),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_cpu_masks),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_interface),
		cmocka_unit_test(test_unknown_top_keys),
		cmocka_unit_test(test_short_mac),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_two_interfaces),
		cmocka_unit_test(test_too_many_interfaces),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_bad_prefixes),
		cmocka_unit_test(test_bad_gateways),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_mask_too_long),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_irregular),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_no_sentence_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
