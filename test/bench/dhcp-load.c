// DHCPv4 clients behind one relay agent, in one thread, faster than any server: the load of the DHCP bench.
//
//   dhcp-load SERVER RELAY closed OUTSTANDING SECONDS FIRST-MAC CLIENTS START MOST
//   dhcp-load SERVER RELAY open   RATE        SECONDS FIRST-MAC CLIENTS START MOST
//
// Each exchange is DISCOVER, OFFER, REQUEST, ACK of the next client; after CLIENTS they come around again, beginning with
// number START. It ends after SECONDS, or once MOST have begun (0: no such end). closed: OUTSTANDING exchanges at any time; open: RATE a second, however slow the server is. An exchange that
// has no ACK after 1 s is lost; in the closed loop its client begins again. Latency counts from when the exchange was due, not from when it could be sent. An answer that
// does not fit (a NAK, another address than was offered, an address that a second client has) is wrong. Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SLOTS = 1 << 18, HEADER = 240, PACKET = 300, LOST_MS = 1000, MAX_EXCHANGES = 1 << 23 };
enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };

struct exchange {
  uint32_t xid; // 0: the slot is free
  uint32_t client;
  uint32_t offered;
  double due_ms;
};

static struct exchange slots[SLOTS];
static uint32_t owners[1 << 20]; // by the lower 20 bits of an address: 1 + the client that has it
static uint32_t free_slots[SLOTS], free_count, generation;
static struct { uint32_t xid; double due_ms; } begun[SLOTS]; // a ring in the order of beginning, to find the lost ones
static uint64_t begun_first, begun_end;
static uint64_t mac_base, started, finished, lost, wrong;
static uint32_t clients, next_client, relay_address, outstanding;
static float *latencies_ms;
static int fd;
static uint8_t send_buffers[BATCH][PACKET];
static struct mmsghdr send_headers[BATCH];
static struct iovec send_vectors[BATCH];
static int send_count;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "dhcp-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void flush(void) {
  for (int sent = 0; sent < send_count;) {
    int n = sendmmsg(fd, send_headers + sent, send_count - sent, 0);
    if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR && errno != ECONNREFUSED) fail("sendmmsg");
    if (n > 0) sent += n;
  }
  send_count = 0;
}

static void put_address(uint8_t *at, uint32_t address) { memcpy(at, &address, 4); }

// DISCOVER, or REQUEST of what was offered, as a relay agent forwards it.
static void queue(const struct exchange *e, int type, const uint8_t *server_id) {
  uint8_t *p = send_buffers[send_count++];
  memset(p, 0, PACKET);
  p[0] = 1;
  p[1] = 1;
  p[2] = 6;
  p[3] = 1;
  put_address(p + 4, e->xid);
  put_address(p + 24, relay_address);
  uint64_t mac = mac_base + e->client;
  for (int i = 0; i < 6; i++) p[28 + i] = mac >> (40 - 8 * i);
  memcpy(p + 236, "\x63\x82\x53\x63", 4);
  uint8_t *o = p + HEADER;
  *o++ = 53, *o++ = 1, *o++ = type;
  if (type == REQUEST) {
    *o++ = 50, *o++ = 4, put_address(o, e->offered), o += 4;
    *o++ = 54, *o++ = 4, memcpy(o, server_id, 4), o += 4;
  }
  *o++ = 55, *o++ = 7, memcpy(o, "\x01\x1c\x02\x03\x0f\x06\x0c", 7), o += 7; // as perfdhcp asks
  *o = 255;
  if (send_count == BATCH) flush();
}

// A DISCOVER of the slot's client.
static void discover(struct exchange *e, double due) {
  uint32_t slot = e - slots;
  generation = (generation + 1) & 0x1fff;
  e->xid = slot | (generation | 1) << 18;
  e->offered = 0;
  e->due_ms = due;
  begun[begun_end % SLOTS].xid = e->xid;
  begun[begun_end++ % SLOTS].due_ms = due;
  queue(e, DISCOVER, NULL);
}

static void begin(double due) {
  started++;
  if (free_count == 0) {
    lost++;
    return;
  }
  struct exchange *e = &slots[free_slots[--free_count]];
  e->client = next_client;
  next_client = (next_client + 1) % clients;
  outstanding++;
  discover(e, due);
}

static void release(struct exchange *e) {
  e->xid = 0;
  free_slots[free_count++] = e - slots;
  outstanding--;
}

static void take(const uint8_t *p, int bytes, double now) {
  uint32_t xid, address;
  if (bytes < HEADER || p[0] != 2) return;
  memcpy(&xid, p + 4, 4);
  struct exchange *e = &slots[xid & (SLOTS - 1)];
  if (xid == 0 || e->xid != xid) return; // too late
  int type = 0;
  const uint8_t *server_id = NULL;
  for (const uint8_t *o = p + HEADER; o + 1 < p + bytes && *o != 255;) {
    if (*o == 0) {
      o++;
      continue;
    }
    if (*o == 53) type = o[2];
    if (*o == 54) server_id = o + 2;
    o += 2 + o[1];
  }
  memcpy(&address, p + 16, 4);
  if (type == OFFER && e->offered == 0 && server_id != NULL) {
    e->offered = address;
    queue(e, REQUEST, server_id);
  } else if (type == ACK && e->offered != 0) {
    uint32_t *owner = &owners[ntohl(address) & 0xfffff];
    if (address != e->offered || (*owner != 0 && *owner != e->client + 1)) wrong++;
    *owner = e->client + 1;
    if (finished < MAX_EXCHANGES) latencies_ms[finished] = now - e->due_ms;
    finished++;
    release(e);
  } else if (type == NAK) {
    wrong++;
    release(e);
  }
}

static int receive(void) {
  static uint8_t buffers[BATCH][1500];
  static struct mmsghdr headers[BATCH];
  static struct iovec vectors[BATCH];
  for (int i = 0; i < BATCH; i++) {
    vectors[i] = (struct iovec){buffers[i], sizeof buffers[i]};
    headers[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  int n = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL);
  double now = now_ms();
  for (int i = 0; i < n; i++) take(buffers[i], headers[i].msg_len, now);
  flush();
  return n;
}

static void give_up(double now, int again) {
  for (; begun_first < begun_end; begun_first++) {
    uint32_t xid = begun[begun_first % SLOTS].xid;
    struct exchange *e = &slots[xid & (SLOTS - 1)];
    if (e->xid != xid) continue;
    if (now - begun[begun_first % SLOTS].due_ms < LOST_MS) return;
    lost++;
    if (again) discover(e, now);
    else release(e);
  }
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void open_socket(const char *server, const char *relay) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(67)}, there = here;
  if (inet_pton(AF_INET, relay, &here.sin_addr) != 1 || inet_pton(AF_INET, server, &there.sin_addr) != 1) {
    fprintf(stderr, "dhcp-load: not an IPv4 address\n");
    exit(2);
  }
  relay_address = here.sin_addr.s_addr;
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  int bytes = 8 << 20; // ours is never the queue that overflows
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) fail("socket");
  if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
  if (connect(fd, (struct sockaddr *)&there, sizeof there) < 0) fail("connect");
  for (int i = 0; i < BATCH; i++) {
    send_vectors[i] = (struct iovec){send_buffers[i], PACKET};
    send_headers[i].msg_hdr = (struct msghdr){.msg_iov = &send_vectors[i], .msg_iovlen = 1};
  }
}

int main(int argc, char **argv) {
  if (argc != 10) {
    fprintf(stderr, "usage: dhcp-load SERVER RELAY closed|open N SECONDS FIRST-MAC CLIENTS START MOST\n");
    return 2;
  }
  open_socket(argv[1], argv[2]);
  int closed = strcmp(argv[3], "closed") == 0;
  double pace = atof(argv[4]), seconds = atof(argv[5]);
  mac_base = strtoull(argv[6], NULL, 16);
  clients = atoi(argv[7]);
  next_client = atoi(argv[8]) % clients;
  uint64_t most = strtoull(argv[9], NULL, 10);
  if (most == 0) most = UINT64_MAX;
  latencies_ms = malloc(MAX_EXCHANGES * sizeof *latencies_ms);
  for (uint32_t i = 0; i < SLOTS; i++) free_slots[free_count++] = SLOTS - 1 - i;
  double start = now_ms(), stop = start + seconds * 1e3, next_sweep = start, last = start;
  uint64_t in_time = 0;
  int beginning = 1;
  for (double now = start; beginning || outstanding > 0; now = now_ms()) {
    if (beginning && (now >= stop || started >= most)) { // rates are of what was done until here
      beginning = 0;
      in_time = finished;
      seconds = (now - start) / 1e3;
    }
    if (beginning && closed) {
      while (outstanding < pace && started < most) begin(now);
    } else if (beginning) {
      for (double due; started < most && (due = start + started * 1e3 / pace) <= now;) begin(due);
    }
    flush();
    uint64_t before = finished;
    receive();
    if (finished > before) last = now_ms();
    if (now >= next_sweep) next_sweep = now + 10, give_up(now, closed && now < stop);
  }
  uint64_t kept = finished < MAX_EXCHANGES ? finished : MAX_EXCHANGES;
  qsort(latencies_ms, kept, sizeof *latencies_ms, ascending);
  double p50 = kept == 0 ? 0 : latencies_ms[kept / 2], p99 = kept == 0 ? 0 : latencies_ms[kept * 99 / 100];
  printf("{\"seconds\":%.3f,\"wholeSeconds\":%.3f,\"started\":%llu,\"finished\":%llu,\"inTime\":%llu,\"lost\":%llu,\"wrong\":%llu,"
         "\"p50Ms\":%.4f,\"p99Ms\":%.4f,\"nextClient\":%u}\n",
         seconds, (last - start) / 1e3, (unsigned long long)started, (unsigned long long)finished, (unsigned long long)in_time,
         (unsigned long long)lost, (unsigned long long)wrong, p50, p99, next_client);
  return 0;
}
