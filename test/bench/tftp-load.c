// Many TFTP clients in one thread, faster than any server: the load of the TFTP bench.
//
//   tftp-load SERVER PORT NAME FILE CLIENTS SECONDS WINDOW BLKSIZE DEADLINE
//
// CLIENTS at a time fetch NAME, one file after another, until SECONDS have passed (0: one file each). Every block is
// compared with FILE, so wrong data is a failure. A file that takes longer than DEADLINE seconds has failed. Prints one
// JSON object. A client behaves as firmware does: it acknowledges each window, a block that comes twice once more, and
// repeats itself after 4 s of silence (EDK2, PXEBC_MTFTP_TIMEOUT), its request after 1, 2 and then every 4 s; all other repeating
// is the server's.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

enum { RRQ = 1, DATA = 3, ACK = 4, ERR = 5, OACK = 6 };
enum { SILENCE_MS = 4000, TICK_MS = 20, BATCH = 64, MAX_FILES = 4000000 };

struct client {
  int fd;                // -1: has nothing to do
  int connected;         // the server's port of this transfer is known
  int window;            // as the server granted it
  int in_window;         // blocks since the last acknowledgement
  int gap_told;          // the gap in front of us was acknowledged once already (RFC 7440 section 4)
  uint64_t blocks;       // received in order
  double started_ms, heard_ms, patience_ms;
};

static struct sockaddr_in server;
static const char *name;
static const uint8_t *content;
static size_t content_bytes;
static int block_bytes, window_wanted, epoll;
static double deadline_ms, stop_ms;
static struct client *clients;
static uint64_t received_bytes, counted_bytes, duplicates, failed, wrong;
static float *durations_ms;
static size_t finished;
static int running;
static double last_ms; // when the last whole file was there

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "tftp-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void send_request(struct client *c) {
  char packet[512];
  int n = 2;
  packet[0] = 0;
  packet[1] = RRQ;
  n += sprintf(packet + n, "%s", name) + 1;
  n += sprintf(packet + n, "octet") + 1;
  n += sprintf(packet + n, "blksize") + 1;
  n += sprintf(packet + n, "%d", block_bytes) + 1;
  n += sprintf(packet + n, "tsize") + 1;
  n += sprintf(packet + n, "0") + 1;
  if (window_wanted > 1) {
    n += sprintf(packet + n, "windowsize") + 1;
    n += sprintf(packet + n, "%d", window_wanted) + 1;
  }
  sendto(c->fd, packet, n, 0, (struct sockaddr *)&server, sizeof server);
}

static void acknowledge(struct client *c) {
  uint16_t packet[2] = {htons(ACK), htons((uint16_t)c->blocks)};
  send(c->fd, packet, sizeof packet, 0);
  c->in_window = 0;
}

static void start(struct client *c, double now) {
  *c = (struct client){.window = 1, .started_ms = now, .heard_ms = now, .patience_ms = 1000};
  c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fail("socket");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
  running++;
  send_request(c);
}

// Ends a transfer; the client takes the next file while there is time.
static void end(struct client *c, int good, double now) {
  close(c->fd);
  c->fd = -1;
  running--;
  if (!good) failed++;
  else if (finished < MAX_FILES) durations_ms[finished++] = now - c->started_ms, last_ms = now;
  if (now < stop_ms) start(c, now);
}

static int option(const uint8_t *packet, ssize_t bytes, const char *wanted, int otherwise) {
  const char *at = (const char *)packet + 2, *last = (const char *)packet + bytes;
  while (at < last) {
    const char *value = at + strnlen(at, last - at) + 1;
    if (value >= last) break;
    if (strcasecmp(at, wanted) == 0) return atoi(value);
    at = value + strnlen(value, last - value) + 1;
  }
  return otherwise;
}

static void take_data(struct client *c, const uint8_t *packet, ssize_t bytes, double now) {
  uint16_t block = packet[2] << 8 | packet[3];
  int16_t ahead = (int16_t)(block - (uint16_t)(c->blocks + 1));
  if (ahead < 0) {
    duplicates++;
    if (ahead == -1) acknowledge(c);
    return;
  }
  if (ahead > 0) {
    if (!c->gap_told) acknowledge(c);
    c->gap_told = 1;
    return;
  }
  size_t offset = c->blocks * block_bytes, length = bytes - 4;
  size_t due = content_bytes - offset < (size_t)block_bytes ? content_bytes - offset : (size_t)block_bytes;
  if (length != due || memcmp(packet + 4, content + offset, length) != 0) {
    wrong++;
    return end(c, 0, now);
  }
  c->blocks++;
  c->in_window++;
  c->gap_told = 0;
  received_bytes += length;
  int last = length < (size_t)block_bytes;
  if (last || c->in_window >= c->window) acknowledge(c);
  if (last) end(c, 1, now);
}

static void take(struct client *c, const uint8_t *packet, ssize_t bytes, double now) {
  if (bytes < 4) return;
  switch (packet[1]) {
    case DATA:
      return take_data(c, packet, bytes, now);
    case OACK:
      if (c->blocks > 0) return;
      c->window = option(packet, bytes, "windowsize", 1);
      if (option(packet, bytes, "blksize", 512) != block_bytes) {
        fprintf(stderr, "tftp-load: the server does not grant blksize %d\n", block_bytes);
        exit(1);
      }
      return acknowledge(c);
    case ERR:
      return end(c, 0, now);
  }
}

static void receive(struct client *c, double now) {
  static uint8_t buffers[BATCH][65536];
  if (!c->connected) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t bytes = recvfrom(c->fd, buffers[0], sizeof buffers[0], 0, (struct sockaddr *)&from, &size);
    if (bytes < 0) return;
    if (connect(c->fd, (struct sockaddr *)&from, size) < 0) fail("connect");
    c->connected = 1;
    c->patience_ms = SILENCE_MS;
    c->heard_ms = now;
    return take(c, buffers[0], bytes, now);
  }
  // One more than is due only after a loss: level-triggered epoll comes back for it.
  for (int i = 0; i < c->window && c->fd >= 0; i++) {
    int fd = c->fd;
    ssize_t bytes = recv(fd, buffers[0], sizeof buffers[0], 0);
    if (bytes < 0) return;
    c->heard_ms = now;
    take(c, buffers[0], bytes, now);
    if (c->fd != fd || !c->connected) return; // that file has ended
  }
}

static void tick(struct client *all, int count, double now) {
  for (struct client *c = all; c < all + count; c++) {
    if (c->fd < 0) continue;
    if (now - c->started_ms > deadline_ms) {
      end(c, 0, now);
    } else if (now - c->heard_ms > c->patience_ms) {
      c->heard_ms = now;
      if (c->patience_ms < SILENCE_MS) c->patience_ms *= 2;
      if (c->connected) acknowledge(c);
      else send_request(c);
    }
  }
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static double quantile(double share) {
  if (finished == 0) return 0;
  return durations_ms[(size_t)(share * (finished - 1) + 0.5)];
}

int main(int argc, char **argv) {
  if (argc != 10) {
    fprintf(stderr, "usage: tftp-load SERVER PORT NAME FILE CLIENTS SECONDS WINDOW BLKSIZE DEADLINE\n");
    return 2;
  }
  server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) fail(argv[1]);
  name = argv[3];
  int file = open(argv[4], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) < 0) fail(argv[4]);
  content_bytes = status.st_size;
  content = mmap(NULL, content_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (content == MAP_FAILED) fail("mmap");
  int count = atoi(argv[5]);
  double seconds = atof(argv[6]);
  window_wanted = atoi(argv[7]);
  block_bytes = atoi(argv[8]);
  deadline_ms = atof(argv[9]) * 1e3;
  struct rlimit limit = {65536, 65536};
  setrlimit(RLIMIT_NOFILE, &limit);
  epoll = epoll_create1(0);
  clients = calloc(count, sizeof *clients);
  durations_ms = malloc(MAX_FILES * sizeof *durations_ms);
  double started = now_ms();
  stop_ms = started + seconds * 1e3;
  for (int i = 0; i < count; i++) start(&clients[i], now_ms());
  struct epoll_event events[1024];
  double next_tick = 0;
  int counted = 0;
  while (running > 0) {
    int ready = epoll_wait(epoll, events, 1024, TICK_MS);
    double now = now_ms();
    for (int i = 0; i < ready; i++) {
      struct client *c = events[i].data.ptr;
      if (c->fd >= 0) receive(c, now);
    }
    // The rate is taken while every client is busy, without the tail of the last files.
    if (!counted && now >= stop_ms && seconds > 0) counted_bytes = received_bytes, counted = 1;
    if (now >= next_tick) {
      next_tick = now + TICK_MS;
      tick(clients, count, now);
    }
  }
  // One file each: until the last whole one, so that those which never come do not count as slowness, too.
  if (!counted) counted_bytes = finished * content_bytes, seconds = (last_ms - started) / 1e3;
  qsort(durations_ms, finished, sizeof *durations_ms, ascending);
  printf("{\"seconds\":%.3f,\"bytes\":%llu,\"files\":%zu,\"failed\":%llu,\"wrong\":%llu,\"duplicates\":%llu,"
         "\"medianMs\":%.2f,\"p99Ms\":%.2f}\n",
         seconds, (unsigned long long)counted_bytes, finished, (unsigned long long)failed,
         (unsigned long long)wrong, (unsigned long long)duplicates, quantile(0.5), quantile(0.99));
  return 0;
}
