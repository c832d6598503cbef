/* Listening sockets: real ones, in this process. */
#define _GNU_SOURCE
#include "listeners.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(listeners, .timeout = 100);

static char directory[] = "/tmp/syncdoc-listeners-XXXXXX";
static char path[64], text[80], error[256];

static struct config config_of(char **item, unsigned workers)
{
	return (struct config){.listen = {.items = item, .count = 1}, .workers = workers};
}

static char *unix_text(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(text, sizeof(text), "unix:%s", path);
	return text;
}

static void remove_directory(void)
{
	unlink(path);
	rmdir(directory);
}

/* A port of the kernel's choice that is free now. */
static int listen_anywhere(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

Test(listeners, each_worker_index_has_a_tcp_socket_of_its_own)
{
	uint16_t port;
	close(listen_anywhere(&port));
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	char *item = text;
	struct config config = config_of(&item, 3);
	struct listeners *listeners;
	cr_assert_eq(listeners_open(&config, -1, -1, &listeners, error, sizeof(error)), 0, "%s",
		     error);
	struct inherit inherit[3] = {{.index = 0}, {.index = 1}, {.index = 2}};
	for (int i = 0; i < 3; i++) {
		listeners_inherit(listeners, &inherit[i]);
		cr_assert_eq(inherit[i].listener_count, 1);
	}
	cr_assert_neq(inherit[0].listeners[0], inherit[1].listeners[0]);
	cr_assert_neq(inherit[1].listeners[0], inherit[2].listeners[0]);
	listeners_close(listeners);
}

Test(listeners, a_used_port_is_refused_although_its_owner_would_share_it)
{
	uint16_t port;
	int fd = listen_anywhere(&port);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	char *item = text, expected[192];
	struct config config = config_of(&item, 2);
	struct listeners *listeners = NULL;
	cr_assert_eq(listeners_open(&config, -1, -1, &listeners, error, sizeof(error)),
		     -EADDRINUSE);
	snprintf(expected, sizeof(expected),
		 "listen %s: Address already in use; `ss -ltnp` shows by whom", text);
	cr_assert_str_eq(error, expected);
	cr_assert_null(listeners);
	close(fd);
}

Test(listeners, a_unix_path_is_one_socket_for_all_with_mode_0660_and_goes_with_them)
{
	char *item = unix_text();
	struct config config = config_of(&item, 2);
	struct listeners *listeners;
	cr_assert_eq(listeners_open(&config, -1, -1, &listeners, error, sizeof(error)), 0, "%s",
		     error);
	struct inherit first = {.index = 0}, second = {.index = 1};
	listeners_inherit(listeners, &first);
	listeners_inherit(listeners, &second);
	cr_assert_eq(first.listeners[0], second.listeners[0]);
	struct stat stat;
	cr_assert_eq(lstat(path, &stat), 0);
	cr_assert_eq(stat.st_mode & 07777, 0660);
	listeners_close(listeners);
	cr_assert_neq(access(path, F_OK), 0);
	remove_directory();
}

Test(listeners, a_stale_socket_file_is_replaced)
{
	char *item = unix_text();
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	close(fd);
	struct config config = config_of(&item, 1);
	struct listeners *listeners;
	cr_assert_eq(listeners_open(&config, -1, -1, &listeners, error, sizeof(error)), 0, "%s",
		     error);
	listeners_close(listeners);
	remove_directory();
}

Test(listeners, a_socket_file_on_which_somebody_answers_is_left_alone)
{
	char *item = unix_text();
	struct config config = config_of(&item, 1);
	struct listeners *listeners, *second = NULL;
	cr_assert_eq(listeners_open(&config, -1, -1, &listeners, error, sizeof(error)), 0, "%s",
		     error);
	cr_assert_eq(listeners_open(&config, -1, -1, &second, error, sizeof(error)), -EADDRINUSE);
	cr_assert_eq(access(path, F_OK), 0);
	listeners_close(listeners);
	remove_directory();
}

Test(listeners, a_file_that_is_no_socket_is_left_alone)
{
	char *item = unix_text();
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	fclose(file);
	struct config config = config_of(&item, 1);
	struct listeners *listeners = NULL;
	cr_assert_eq(listeners_open(&config, -1, -1, &listeners, error, sizeof(error)), -EEXIST);
	cr_assert_not_null(strstr(error, "exists and is not a socket"));
	cr_assert_eq(access(path, F_OK), 0);
	remove_directory();
}
