// HTTP clients with connections that stay open, in one thread: the load of the HTTP bench.
//
//   http-load SERVER PORT PATHS CONNECTIONS SECONDS MOST read|discard [FILE]
//
// PATHS is a file with a path a line; the connections ask for one after the other, around and around, until SECONDS have
// passed or MOST were asked for (0: no such end). With as many connections as paths each has a path of its own. read: bodies are copied to the client, as every client does; discard: the kernel throws them away
// (MSG_TRUNC), so that much more than one core of bodies can be taken. With FILE the bodies of the first connection are
// compared with it. A status other than 200, a body too short and a broken connection have failed; 503 is asked again after
// a second. Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, CHUNK = 256 << 10, MAX_REQUESTS = 1 << 23, TURNS = 16 };

struct connection {
  int fd, index;
  char head[HEAD_BYTES + 1]; // of the answer, until all of it is there
  int head_bytes;
  int64_t body_left; // -1: the head is not complete
  uint64_t body_taken;
  int status;
  double asked_ms, again_ms; // again_ms: ask again then
  const char *path;
};

static struct sockaddr_in server;
static char **paths;
static size_t path_count;
static int connection_count, discard, epoll;
static const uint8_t *content;
static size_t content_bytes;
static struct connection *connections;
static uint64_t requests, failed, refused, bytes, begun, most;
static float *latencies_ms;
static char buffer[CHUNK];

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "http-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void ask(struct connection *c) {
  char request[1024];
  int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: head\r\n\r\n", c->path);
  c->head_bytes = 0;
  c->body_left = -1;
  c->asked_ms = now_ms();
  c->again_ms = 0;
  send(c->fd, request, n, MSG_NOSIGNAL); // what goes wrong is seen when nothing comes back
}

// The next path; a connection with a path of its own keeps it.
static void ask_next(struct connection *c) {
  if (begun >= most) return;
  c->path = paths[((size_t)connection_count == path_count ? (uint64_t)c->index : begun) % path_count];
  begun++;
  ask(c);
}

static void open_connection(struct connection *c) {
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0) fail("socket");
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
}

static void reconnect(struct connection *c) {
  failed++;
  close(c->fd);
  open_connection(c);
  ask_next(c);
}

static void finish(struct connection *c) {
  double now = now_ms();
  if (c->status == 503) {
    refused++;
    c->again_ms = now + 1000;
    c->head_bytes = 0;
    c->body_left = -1;
    return;
  }
  if (c->status != 200) failed++;
  else if (requests < MAX_REQUESTS) latencies_ms[requests++] = now - c->asked_ms;
  ask_next(c);
}

// Returns 0 when there is nothing more for now: epoll says when there is.
static int take_head(struct connection *c) {
  ssize_t n = recv(c->fd, c->head + c->head_bytes, HEAD_BYTES - c->head_bytes, 0);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) return reconnect(c), 0;
  c->head_bytes += n;
  c->head[c->head_bytes] = 0;
  char *end = memmem(c->head, c->head_bytes, "\r\n\r\n", 4);
  if (end == NULL) return c->head_bytes < HEAD_BYTES ? 1 : (reconnect(c), 0);
  char *length = strcasestr(c->head, "\r\ncontent-length:");
  if (length == NULL || length > end) return reconnect(c), 0;
  c->status = atoi(c->head + 9);
  int64_t early = c->head + c->head_bytes - (end + 4);
  c->body_left = strtoll(length + 17, NULL, 10) - early;
  c->body_taken = early;
  bytes += early;
  if (c->body_left < 0) return reconnect(c), 0;
  if (c->index == 0 && content != NULL && memcmp(end + 4, content, early) != 0) {
    fprintf(stderr, "http-load: wrong content\n");
    exit(1);
  }
  if (c->body_left == 0) return finish(c), 0;
  return 1;
}

static int take_body(struct connection *c) {
  int compare = c->index == 0 && content != NULL && c->status == 200;
  int64_t most = discard && !compare ? 4 * CHUNK : CHUNK;
  if (most > c->body_left) most = c->body_left;
  ssize_t n = recv(c->fd, buffer, most, discard && !compare ? MSG_TRUNC : 0);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) return reconnect(c), 0;
  if (compare && (c->body_taken + n > content_bytes || memcmp(buffer, content + c->body_taken, n) != 0)) {
    fprintf(stderr, "http-load: wrong content\n");
    exit(1);
  }
  c->body_taken += n;
  c->body_left -= n;
  bytes += n;
  if (c->body_left == 0) return finish(c), 0;
  return 1;
}

static void read_paths(const char *name) {
  FILE *file = fopen(name, "r");
  if (file == NULL) fail(name);
  char *line = NULL;
  size_t room = 0;
  for (ssize_t n; (n = getline(&line, &room, file)) > 0;) {
    if (line[n - 1] == '\n') line[n - 1] = 0;
    paths = realloc(paths, (path_count + 1) * sizeof *paths);
    paths[path_count++] = strdup(line);
  }
  fclose(file);
  if (path_count == 0) fail("no paths");
}

static void map_content(const char *name) {
  int file = open(name, O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) < 0) fail(name);
  content_bytes = status.st_size;
  content = mmap(NULL, content_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (content == MAP_FAILED) fail(name);
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc < 8) {
    fprintf(stderr, "usage: http-load SERVER PORT PATHS CONNECTIONS SECONDS MOST read|discard [FILE]\n");
    return 2;
  }
  server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) fail(argv[1]);
  read_paths(argv[3]);
  connection_count = atoi(argv[4]);
  double seconds = atof(argv[5]);
  most = strtoull(argv[6], NULL, 10);
  if (most == 0) most = UINT64_MAX;
  discard = strcmp(argv[7], "discard") == 0;
  if (argc > 8) map_content(argv[8]);
  struct rlimit limit = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &limit);
  latencies_ms = malloc(MAX_REQUESTS * sizeof *latencies_ms);
  epoll = epoll_create1(0);
  connections = calloc(connection_count, sizeof *connections);
  for (int i = 0; i < connection_count; i++) {
    connections[i].index = i;
    open_connection(&connections[i]);
  }
  struct epoll_event events[256];
  double start = now_ms(), stop = start + seconds * 1e3, next_look = start;
  for (int i = 0; i < connection_count; i++) ask_next(&connections[i]);
  for (double now = start; now < stop && requests + failed < most; now = now_ms()) {
    int ready = epoll_wait(epoll, events, 256, 10);
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      for (int turn = 0; turn < TURNS; turn++)
        if (!(c->body_left > 0 ? take_body(c) : take_head(c))) break;
    }
    if (now < next_look) continue;
    next_look = now + 10;
    for (struct connection *c = connections; c < connections + connection_count; c++)
      if (c->again_ms > 0 && now >= c->again_ms) ask(c);
  }
  double elapsed = (now_ms() - start) / 1e3;
  qsort(latencies_ms, requests, sizeof *latencies_ms, ascending);
  double p50 = requests == 0 ? 0 : latencies_ms[requests / 2], p99 = requests == 0 ? 0 : latencies_ms[requests * 99 / 100];
  printf("{\"seconds\":%.3f,\"requests\":%llu,\"failed\":%llu,\"refused\":%llu,\"bytes\":%llu,"
         "\"p50Ms\":%.4f,\"p99Ms\":%.4f}\n",
         elapsed, (unsigned long long)requests, (unsigned long long)failed, (unsigned long long)refused,
         (unsigned long long)bytes, p50, p99);
  return 0;
}
