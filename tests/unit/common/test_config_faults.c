/* Each refusal with its exact words: operators search for them, and they name file, line and key.
 */
#include "config_fixture.h"

TestSuite(config_faults, .timeout = 100);

struct fault {
	const char *text, *expected;
};

static void refuse_all(const struct fault *faults, size_t count)
{
	for (size_t i = 0; i < count; i++)
		must_refuse(faults[i].text, faults[i].expected);
}

#define REFUSE_ALL(faults) refuse_all(faults, ARRAY_LEN(faults))

Test(config_faults, unknown_and_doubled_keys_are_named_with_their_line)
{
	static const struct fault faults[] = {
		{"# a\n# b\n/* c\n d */\nworkerz = 1\n", "FILE:5: workerz: unknown key"},
		{"redis {\n\turl = \"embedded\"\n\ttimeot = 2\n}\n",
		 "FILE:3: redis.timeot: unknown key"},
		{"redis {\n listen = 1\n}\n", "FILE:2: redis.listen: unknown key"},
		{"\nrediss { url = 1 }\n", "FILE:2: rediss: unknown section"},
		{"redis {\n url { a = 1 } }\n", "FILE:2: redis.url: unknown section"},
		{"redis.url = \"x\"\n",
		 "FILE:1: redis.url: in a file it is written redis { url = ... }"},
		{"redis|url = \"x\"\n", "FILE:1: redis|url: unknown key"},
		{"ring = 4\n", "FILE:1: ring: is a section, write ring { ... }"},
		{"workers { }\n", "FILE:1: workers: unknown section"},
		{"workers = 1\n# x\nworkers = 2\n", "FILE:3: workers: is set already at line 1"},
		{"ws { rate = 1\nburst = 2\n rate = 3 }\n",
		 "FILE:3: ws.rate: is set already at line 1"},
		{"hosts = {}\nhosts = {\"a\"}\n", "FILE:2: hosts: is set already at line 1"},
		{"ws { rate = 1 }\n\nws { burst = 2 }\n",
		 "FILE:3: ws: this section stands already at line 1"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, faults_of_form_are_named_with_their_line)
{
	static const struct fault faults[] = {
		{"\nws {\n rate = 1\n", "FILE:2: the section that begins here is never closed"},
		{"workers = 1\n}\n", "FILE:2: `}` without a `{` before it"},
		{"\n{ }\n", "FILE:2: `{` without a section's name before it"},
		{"= 4\n",
		 "FILE:1: `=` without a key before it; a text with `=` in it must be in quotes"},
		{"\"workers\" = 4\n", "FILE:1: a text in quotes where a key should stand"},
		{"workers = 1\n\"\"\n", "FILE:2: a text in quotes where a key should stand"},
		{"workers = 1\n/* no end\n\n",
		 "FILE:2: the comment that begins here is never closed"},
		{"workers = 1\n/*/\n", "FILE:2: the comment that begins here is never closed"},
		{"user = \"abc\n\"\n", "FILE:1: the text in quotes does not end on this line"},
		{"user = 'abc", "FILE:1: the text in quotes does not end on this line"},
		{"hosts = {\"a\",\n\"b\"\n", "FILE:3: the list is never closed"},
		{"workers\n", "FILE:2: premature end of file"},
		{"workers =\n", "FILE:2: premature end of file"},
		{"workers 4\n", "FILE:1: missing equal sign after option 'workers'"},
		{"ws rate = 1\n", "FILE:1: rate: unknown key"},
		{"workers = {1}\n", "FILE:1: workers: unexpected token '{'"},
		{"# x\nworkers = 1 2\n", "FILE:2: workers: no such option '2'"},
		{"hosts = {\"a\" \"b\"}\n", "FILE:1: hosts: unexpected token 'b'"},
		{"hosts = {\"a\",,\"b\"}\n", "FILE:1: hosts: unexpected token ','"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, what_libconfuse_would_change_in_silence_is_refused)
{
	static const struct fault faults[] = {
		{"\ncors_origins = {*}\n", "FILE:2: `+` or `*` outside of quotes"},
		{"hosts += {\"a\"}\n", "FILE:1: `+` or `*` outside of quotes"},
		{"include(\"/etc/passwd\")\n",
		 "FILE:1: functions, such as include(), are not supported"},
		{"user = \"${HOME}\"\n",
		 "FILE:1: ${…} is not expanded; for these very characters write \\${"},
		{"user = ${HOME}\n",
		 "FILE:1: ${…} is not expanded; for these very characters use quotes and \\${"},
		{"user = \"a\\0b\"\n",
		 "FILE:1: in double quotes only \\\", \\\\ and \\$ may stand behind a backslash"},
		{"user = 'a\\n'\n",
		 "FILE:1: in single quotes only \\' and \\\\ may stand behind a backslash"},
		{"user = \"a\tb\"\n", "FILE:1: there is a control character in the text in quotes"},
		{"user = f\303\274r\n", "FILE:1: outside of quotes only printable ASCII may stand"},
		{"\357\273\277user = a\n",
		 "FILE:1: outside of quotes only printable ASCII may stand"},
		{"state_dir = /a#b\n",
		 "FILE:1: `#` or `*` in an unquoted text: put the text in quotes"},
		{"state_dir = /a/*b*/\n",
		 "FILE:1: `#` or `*` in an unquoted text: put the text in quotes"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, a_byte_of_zero_is_refused)
{
	struct outcome outcome = load_bytes("workers = 1\nuser = a\0b\n", 23, NULL, 0);

	cr_expect_eq(outcome.error, -EINVAL);
	cr_expect_str_eq(outcome.text, "FILE:2: outside of quotes only printable ASCII may stand");
}

Test(config_faults, numbers_that_are_none_or_out_of_range_are_named_with_their_line)
{
	static const struct fault faults[] = {
		{"workers = many\n", "FILE:1: workers: \"many\" is not a whole number"},
		{"workers = -1\n", "FILE:1: workers: \"-1\" is not a whole number"},
		{"workers = 0x10\n", "FILE:1: workers: \"0x10\" is not a whole number"},
		{"workers = 1.5\n", "FILE:1: workers: \"1.5\" is not a whole number"},
		{"workers = \"\"\n", "FILE:1: workers: \"\" is not a whole number"},
		{"workers = 99999999999999999999\n",
		 "FILE:1: workers: \"99999999999999999999\" is not a whole number"},
		{"# x\n\nworkers = 257\n", "FILE:3: workers: must be 0 (one per CPU) or 1 to 256"},
		{"# x\nws {\n# y\nrate = 0\n}\n", "FILE:4: ws.rate: must be 1 to 100000"},
		{"history { max = 10001 }\n",
		 "FILE:1: history.max: must be 0 (no history) or 1 to 10000"},
		{"limits {\nstreams = 1000001 }\n",
		 "FILE:2: limits.streams: must be 0 (no limit) or 1 to 1000000"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, sizes_and_times_that_are_none_or_out_of_range_are_refused)
{
	static const struct fault faults[] = {
		{"ring { size = \"64MB\" }\n",
		 "FILE:1: ring.size: \"64MB\" is not a size: write bytes, or a number "
		 "with KiB, MiB or GiB behind it"},
		{"ring { size = \"64 MiB\" }\n",
		 "FILE:1: ring.size: \"64 MiB\" is not a size: write bytes, or a "
		 "number with KiB, MiB or GiB behind it"},
		{"ring { size = 17179869184GiB }\n",
		 "FILE:1: ring.size: \"17179869184GiB\" is not a size: write "
		 "bytes, or a number with KiB, MiB or GiB behind it"},
		{"ring { size = 32KiB }\n", "FILE:1: ring.size: must be 64KiB to 4GiB"},
		{"documents { cache = 1 }\n",
		 "FILE:1: documents.cache: must be 0 (no cache) or 64KiB to 64GiB"},
		{"redis {\n\ntimeout = 2s\n}\n", "FILE:3: redis.timeout: \"2s\" is not a time: "
						 "write seconds, with at most three decimals"},
		{"redis { timeout = 0.5000 }\n", "FILE:1: redis.timeout: \"0.5000\" is not a time: "
						 "write seconds, with at most three decimals"},
		{"redis { timeout = 1. }\n", "FILE:1: redis.timeout: \"1.\" is not a time: write "
					     "seconds, with at most three decimals"},
		{"redis { timeout = 0.099 }\n", "FILE:1: redis.timeout: must be 0.1 to 60 seconds"},
		{"drain_timeout = 3600.001\n",
		 "FILE:1: drain_timeout: must be 0 (at once) or 0.001 to 3600 seconds"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, words_and_texts_are_checked)
{
	static const struct fault faults[] = {
		{"ws { deflate = maybe }\n", "FILE:1: ws.deflate: \"maybe\" is neither yes nor no"},
		{"log {\nlevel = loud }\n",
		 "FILE:2: log.level: \"loud\" is not one of error, warning, notice, info, debug"},
		{"log { format = xml }\n", "FILE:1: log.format: \"xml\" is not one of text, json"},
		{"log { target = syslogd }\n", "FILE:1: log.target: \"syslogd\" is not one of "
					       "stderr, syslog or an absolute path"},
		{"redis { encoding = cbor }\n",
		 "FILE:1: redis.encoding: \"cbor\" is not one of auto, json, string"},
		{"auth { mode = basic }\n",
		 "FILE:1: auth.mode: \"basic\" is not one of none, jwt, token"},
		{"state_dir = var\n", "FILE:1: state_dir: \"var\" is not an absolute path"},
		{"state_dir = \"\"\n", "FILE:1: state_dir: \"\" is not an absolute path"},
		{"state_dir = "
		 "/2345678901234567890123456789012345678901234567890123456789012345678901234567890"
		 "1\n",
		 "FILE:1: state_dir: must be at most 80 bytes long"},
		{"pid_file = x.pid\n", "FILE:1: pid_file: \"x.pid\" is not an absolute path"},
		{"user = \"a b\"\n", "FILE:1: user: \"a b\" is not a user or group name"},
		{"node = \"a:b\"\n",
		 "FILE:1: node: \"a:b\" must be 1 to 64 of A-Z, a-z, 0-9, _, . and -"},
		{"node = 12345678901234567890123456789012345678901234567890123456789012345\n",
		 "FILE:1: node: "
		 "\"12345678901234567890123456789012345678901234567890123456789012345\" must be 1 "
		 "to 64 of A-Z, a-z, 0-9, _, . and -"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, entries_of_lists_are_checked)
{
#define LISTEN_FORM                                                                                \
	" must be address:port or [IPv6]:port with port 1 to 65535, or unix:/path of at most 107 " \
	"bytes"
	static const struct fault faults[] = {
		{"listen = {\"127.0.0.1:80\",\n\"localhost:80\"}\n",
		 "FILE:1: listen: \"localhost:80\"" LISTEN_FORM},
		{"listen = {\"127.0.0.1:0\"}\n", "FILE:1: listen: \"127.0.0.1:0\"" LISTEN_FORM},
		{"\nlisten = {}\n", "FILE:2: listen: must have at least one entry"},
		{"listen = {\"127.0.0.1:80\", \"127.0.0.1:80\"}\n",
		 "FILE:1: listen: \"127.0.0.1:80\" stands there twice"},
		{"listen = {\"[::1]:80\", \"[0::1]:80\"}\n",
		 "FILE:1: listen: \"[0::1]:80\" stands there twice"},
		{"hosts = {\"\"}\n", "FILE:1: hosts: has an empty entry"},
		{"hosts = {\"a:80\"}\n",
		 "FILE:1: hosts: \"a:80\" must be a host name, an IPv4 address or [IPv6], "
		 "without a port"},
		{"hosts = {\"[::g]\"}\n",
		 "FILE:1: hosts: \"[::g]\" must be a host name, an IPv4 address or [IPv6], "
		 "without a port"},
		{"trusted_proxies = {\"10.0.0.0/33\"}\n",
		 "FILE:1: trusted_proxies: \"10.0.0.0/33\" must be an IP "
		 "address, a network as 10.0.0.0/8, or unix"},
		{"trusted_proxies = {\"proxy\"}\n",
		 "FILE:1: trusted_proxies: \"proxy\" must be an IP address, "
		 "a network as 10.0.0.0/8, or unix"},
		{"cors_origins = {\"https://a.example/\"}\n",
		 "FILE:1: cors_origins: \"https://a.example/\" must be * or scheme://host[:port] "
		 "in lower case, "
		 "without a path"},
		{"cors_origins = {\"a.example\"}\n",
		 "FILE:1: cors_origins: \"a.example\" must be * or "
		 "scheme://host[:port] in lower case, without a path"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, more_than_sixteen_places_to_listen_on_are_refused)
{
	struct buffer text = {0};

	buffer_append_string(&text, "\nlisten = {");
	for (int port = 1; port <= 17; port++)
		buffer_printf(&text, "\"127.0.0.1:%d\",\n", port);
	buffer_append(&text, "}\n", 3);
	must_refuse(text.at, "FILE:2: listen: must have at most 16 entries, not 17");
	buffer_fini(&text);
}

Test(config_faults, redis_urls_are_checked_by_their_form_and_never_shown)
{
#define TCP_FORM "FILE:1: redis.url: must be of the form redis://[user[:password]@]host[:port][/db]"
#define UNIX_FORM                                                                                  \
	"FILE:1: redis.url: must be of the form unix:///path[?db=N], the path at most 100 bytes"
#define FORMS                                                                                      \
	"FILE:1: redis.url: must be embedded, redis://[user[:password]@]host[:port][/db], "        \
	"unix:///path[?db=N] or sentinel://[user[:password]@]host[:port],.../name[/db]"
#define SENTINEL_FORM                                                                              \
	"FILE:1: redis.url: must be of the form "                                                  \
	"sentinel://[user[:password]@]host[:port],.../name[/db], at most 16 hosts"
	static const struct fault faults[] = {
		{"redis { url = \"\" }\n", FORMS},
		{"redis { url = \"http://h\" }\n", FORMS},
		{"redis { url = \"redis://\" }\n", TCP_FORM},
		{"redis { url = \"redis://u:secret@\" }\n", TCP_FORM},
		{"redis { url = \"redis://u:secret@:6379\" }\n", TCP_FORM},
		{"redis { url = \"redis://h:0\" }\n", TCP_FORM},
		{"redis { url = \"redis://h:65536\" }\n", TCP_FORM},
		{"redis { url = \"redis://h:6379/x\" }\n", TCP_FORM},
		{"redis { url = \"redis://[::1\" }\n", TCP_FORM},
		{"redis { url = \"redis://[::1]6379\" }\n", TCP_FORM},
		{"redis { url = \"unix://run/x\" }\n", UNIX_FORM},
		{"redis { url = \"unix:///run/x?x=1\" }\n", UNIX_FORM},
		{"redis { url = \"unix:///run/x?db=\" }\n", UNIX_FORM},
		{"redis { url = \"sentinel://a,b\" }\n", SENTINEL_FORM},
		{"redis { url = \"sentinel://a,b/\" }\n", SENTINEL_FORM},
		{"redis { url = \"sentinel://a,,b/m\" }\n", SENTINEL_FORM},
		{"redis { url = \"sentinel://a,b:0/m\" }\n", SENTINEL_FORM},
		{"redis { url = \"sentinel://a/m/x\" }\n", SENTINEL_FORM},
		{"redis { url = \"sentinel:///m\" }\n", SENTINEL_FORM},
		{"redis { url = \"redis://h%4\" }\n",
		 "FILE:1: redis.url: must have two hex digits behind each %, and not %00"},
		{"redis { url = \"redis://h /1\" }\n",
		 "FILE:1: redis.url: must not have spaces, write %20"},
		{"redis { sentinel_user = \"a b\" }\n",
		 "FILE:1: redis.sentinel_user: must not have blanks or control characters"},
		{"redis { sentinel_password_file = \"pw\" }\n",
		 "FILE:1: redis.sentinel_password_file: \"pw\" is not an absolute path"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, redis_urls_of_all_forms_are_taken)
{
	static const char *const urls[] = {"embedded",
					   "redis://h",
					   "redis://h:1",
					   "redis://h/15",
					   "redis://[::1]:6379/0",
					   "redis://user@h",
					   "redis://:pass@h",
					   "redis://user:p:a/s@s@h:6379/2",
					   "redis://user:p%40ss@h",
					   "unix:///run/redis.sock",
					   "unix:///run/redis.sock?db=3",
					   "sentinel://a/m",
					   "sentinel://a,b:5000,[::1]:6000/m/3",
					   "sentinel://u:p/w@a,b/m"};
	char override[128];

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		snprintf(override, sizeof(override), "redis.url=%s", urls[i]);
		struct outcome outcome = load_override(override);
		cr_expect(outcome.error == 0, "%s: %s", urls[i], outcome.text);
		config_destroy(outcome.config);
	}
}

Test(config_faults, what_this_version_does_not_have_is_refused_and_said)
{
	static const struct fault faults[] = {
		{"tls {\n\ncert = /c }\n",
		 "FILE:3: tls.cert: tls.cert and tls.key need each other"},
		{"tls { key = /k }\n", "FILE:1: tls.key: tls.cert and tls.key need each other"},
		{"redis { url = \"redis://a\"\n sentinel_password_file = /p }\n",
		 "FILE:2: redis.sentinel_password_file: redis.url has no Sentinels to log in to: "
		 "it "
		 "must begin with sentinel://"},
		{"redis { sentinel_user = u }\n", "FILE:1: redis.sentinel_user: redis.url has no "
						  "Sentinels to log in to: it must begin "
						  "with sentinel://"},
		{"redis {\ncluster = yes }\n",
		 "FILE:2: redis.cluster: Redis Cluster is not supported by this version yet"},
		{"redis { url = \"rediss://h\" }\n",
		 "FILE:1: redis.url: rediss:// is not supported by this version yet"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, values_that_do_not_go_together_are_blamed_on_the_line_that_set_them)
{
	static const struct fault faults[] = {
		{"ring {\n# x\nsize = 100000000 }\n",
		 "FILE:3: ring.size: must be a power of two, not 100000000"},
		{"ring {\nsize = 16MiB }\n",
		 "FILE:2: ring.size: ring.size is 16777216 bytes; documents.max_size of "
		 "1048576 needs at least 32 times that: 33554432"},
		{"documents {\n\nmax_size = 4MiB }\n",
		 "FILE:3: documents.max_size: ring.size is 67108864 bytes; documents.max_size of "
		 "4194304 needs at "
		 "least 32 times that: 134217728"},
		{"ws { queue = 128MiB }\n",
		 "FILE:1: ws.queue: ws.queue_total is 67108864 bytes, less than "
		 "ws.queue, which is 134217728"},
		{"redis { wait_replicas = 1 }\n",
		 "FILE:1: redis.wait_replicas: the embedded Redis has no replicas to wait for"},
	};
	REFUSE_ALL(faults);
}

Test(config_faults, auth_mode_says_what_it_needs)
{
#define KEY                                                                                        \
	" must be an absolute path, or kid=path with a kid of 1 to 64 of A-Z, a-z, 0-9, ., _ and " \
	"-"
	static const struct fault faults[] = {
		{"auth { mode = \"jwt\" }\n", "FILE:1: auth.mode: \"jwt\" needs auth.key"},
		{"auth {\nmode = jwt\nkey = {\"/k\"}\n}\n",
		 "FILE:2: auth.mode: \"jwt\" needs auth.algorithm"},
		{"auth {\nmode = jwt\nalgorithm = HS256\nkey = {\"a=/k\", \"/l\", \"a=/m\"}\n}\n",
		 "FILE:2: auth.mode: auth.key has a kid twice"},
		{"auth {\nmode = token }\n", "FILE:2: auth.mode: \"token\" needs auth.tokens"},
		{"auth { algorithm = none }\n",
		 "FILE:1: auth.algorithm: \"none\" is not one of HS256, RS256, ES256"},
		{"auth { algorithm = hs256 }\n",
		 "FILE:1: auth.algorithm: \"hs256\" is not one of HS256, RS256, ES256"},
		{"auth { key = {\"k\"} }\n", "FILE:1: auth.key: \"k\"" KEY},
		{"auth { key = {\"a=k\"} }\n", "FILE:1: auth.key: \"a=k\"" KEY},
		{"auth { key = {\"=/k\"} }\n", "FILE:1: auth.key: \"=/k\"" KEY},
		{"auth { key = {\"a b=/k\"} }\n", "FILE:1: auth.key: \"a b=/k\"" KEY},
		{"auth { tokens = t }\n", "FILE:1: auth.tokens: \"t\" is not an absolute path"},
	};
	REFUSE_ALL(faults);
	struct config *config =
		must_load("listen = {\"0.0.0.0:80\"}\nauth {\nmode = jwt\nalgorithm = ES256\n"
			  "key = {\"2026-01=/k=1\", \"/l\"}\naudience = \"a b\"\nissuer = i\n}\n");
	cr_assert_eq(config->auth_key.count, 2);
	cr_assert_str_eq(config->auth_key.items[0], "2026-01=/k=1");
	cr_assert_null(config->auth_secrets, "files are not read with the configuration");
	config_destroy(config);
#undef KEY
}

Test(config_faults, listening_beyond_this_host_needs_auth_none_written_out)
{
#define OPEN                                                                                       \
	" can be reached from other hosts, and there is no authentication: write auth.mode = "     \
	"\"none\" if that is meant"
	static const struct fault faults[] = {
		{"\nlisten = {\"127.0.0.1:80\", \"0.0.0.0:80\"}\n",
		 "FILE:2: listen: \"0.0.0.0:80\"" OPEN},
		{"listen = {\"[::]:80\"}\n", "FILE:1: listen: \"[::]:80\"" OPEN},
		{"listen = {\"128.0.0.1:80\"}\n", "FILE:1: listen: \"128.0.0.1:80\"" OPEN},
		{"listen = {\"[::ffff:10.0.0.1]:80\"}\nauth { mode = \"\" }\n",
		 "FILE:1: listen: \"[::ffff:10.0.0.1]:80\"" OPEN},
	};
	REFUSE_ALL(faults);
	config_destroy(must_load("listen = {\"127.9.9.9:80\", \"[::1]:80\", \"unix:/run/x\"}\n"));
	config_destroy(must_load("listen = {\"0.0.0.0:80\", \"[::]:80\"}\nauth { mode = none }\n"));
}

Test(config_faults, faults_of_overrides_name_the_override)
{
	static const struct fault faults[] = {
		{"workers", "-o workers: must be key=value"},
		{"", "-o : must be key=value"},
		{"workerz=4", "-o workerz: unknown key"},
		{"redis=4", "-o redis: unknown key"},
		{"ws.rate=0", "-o ws.rate=0: must be 1 to 100000"},
		{"ws.rate= 5", "-o ws.rate= 5: \" 5\" is not a whole number"},
		{"hosts=a,,b", "-o hosts=a,,b: has an empty entry"},
		{"hosts=a,", "-o hosts=a,: has an empty entry"},
		{"listen=", "-o listen=: must have at least one entry"},
		{"user=a\nb", "-o user=a?b: must not have control characters"},
		{"ring.size=32MiB=",
		 "-o ring.size=32MiB=: \"32MiB=\" is not a size: write bytes, or a number with "
		 "KiB, MiB or GiB behind it"},
		{"ring.size=16MiB",
		 "-o ring.size=16MiB: ring.size is 16777216 bytes; documents.max_size of 1048576 "
		 "needs at least 32 times that: 33554432"},
		{"auth.mode=jwt", "-o auth.mode=jwt: \"jwt\" needs auth.key"},
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		must_refuse_override(faults[i].text, faults[i].expected);
}

Test(config_faults, a_password_in_a_refused_url_is_not_shown)
{
	must_refuse_override(
		"redis.url=redis://u:secret@h:0",
		"-o redis.url=***: must be of the form redis://[user[:password]@]host[:port][/db]");
	must_refuse_override("redis.urll=redis://u:secret@h", "-o redis.urll: unknown key");
}

Test(config_faults, a_file_that_cannot_be_read_is_said)
{
	struct config *config = NULL;
	char error[ERROR_MAX_LEN];

	cr_expect_eq(config_load("/nowhere/x.conf", NULL, 0, &config, error, sizeof(error)),
		     -ENOENT);
	cr_expect_str_eq(error, "/nowhere/x.conf: cannot be read: No such file or directory");
	cr_expect_eq(config_load("/tmp", NULL, 0, &config, error, sizeof(error)), -ENOENT);
	cr_expect_str_eq(error, "/tmp: cannot be read: Is a directory");
	cr_expect_eq(config_load("/dev/zero", NULL, 0, &config, error, sizeof(error)), -EINVAL);
	cr_expect_str_eq(error, "/dev/zero: is larger than 1 MiB, that is no configuration");
	cr_expect_null(config);
}

Test(config_faults, a_long_fault_is_cut_to_the_callers_buffer)
{
	static const char *const override = "workers=many";
	struct config *config = NULL;
	char error[16];

	memset(error, 'x', sizeof(error));
	cr_expect_eq(config_load("/dev/null", &override, 1, &config, error, 8), -EINVAL);
	cr_expect_str_eq(error, "-o work");
	cr_expect_eq(error[8], 'x');
}

Test(config_faults, after_a_broken_file_the_next_one_is_read_as_ever)
{
	must_refuse("user = \"abc\n", "FILE:1: the text in quotes does not end on this line");
	must_refuse("workers = 1 2\n", "FILE:1: workers: no such option '2'");
	must_refuse("hosts = {\"a\"", "FILE:1: the list is never closed");
	struct config *config = must_load("workers = 2\n");
	cr_expect_eq(config->workers, 2);
	config_destroy(config);
}
