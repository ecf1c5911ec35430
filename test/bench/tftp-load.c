// Many TFTP clients in one thread, faster than any server: the load of the TFTP bench.
//
//   tftp-load SERVER PORT NAME FILE FIRST CLIENTS SECONDS WINDOW BLKSIZE DEADLINE
//
// CLIENTS at a time fetch NAME, one file after another, until SECONDS have passed (0: one file each). Every block is
// compared with FILE, so wrong data is a failure. A file that takes longer than DEADLINE seconds has failed, and counts with
// that time. Prints one JSON object. A client behaves as firmware does: it acknowledges each window, a block that comes twice once more, and
// repeats itself after 4 s of silence (EDK2, PXEBC_MTFTP_TIMEOUT), its request after 1, 2 and then every 4 s; all other repeating
// is the server's. A client has an address of its own, counted from FIRST on (250 addresses, which all are to be local:
// `ip route add local`), and changes its port from file to file. Sockets are shared, since a socket for each client costs
// this side more for a block than a server has to spend.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RRQ = 1, DATA = 3, ACK = 4, ERR = 5, OACK = 6 };
enum { SILENCE_MS = 4000, TICK_MS = 20, MAX_FILES = 4000000 };
enum { ADDRESSES = 250, PORTS = 4, BATCH = 64, DATAGRAM = 2048, CONTROL = 64, RECEIVE_BUFFER = 128 << 20 };

struct client {
  int busy;              // has a file to fetch
  int files;             // begun so far: they decide the port
  in_addr_t address;
  in_port_t peer_port;   // the server's port of this transfer; 0: not known yet
  int window;            // as the server granted it
  int in_window;         // blocks since the last acknowledgement
  int gap_told;          // the gap in front of us was acknowledged once already (RFC 7440 section 4)
  uint64_t blocks;       // received in order
  double started_ms, heard_ms, patience_ms;
};

// Acknowledgements on their way out by one socket, and datagrams on their way in.
struct outgoing {
  struct mmsghdr headers[BATCH];
  struct iovec vectors[BATCH];
  struct sockaddr_in names[BATCH];
  uint16_t packets[BATCH][2];
  char controls[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
  int count, fd;
};
struct incoming {
  struct mmsghdr headers[BATCH];
  struct iovec vectors[BATCH];
  struct sockaddr_in names[BATCH];
  char controls[BATCH][CONTROL];
  uint8_t packets[BATCH][DATAGRAM];
};

static struct sockaddr_in server;
static in_addr_t first_address; // in our own order
static const char *name;
static const uint8_t *content;
static size_t content_bytes;
static int block_bytes, window_wanted;
static double deadline_ms, stop_ms;
static struct client *clients;
static int client_count, socket_count;
static struct outgoing *out; // one for each socket
static struct incoming in;
static uint64_t received_bytes, counted_bytes, duplicates, failed, wrong;
static float *durations_ms;
static size_t ended, finished; // with failure or without; whole
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

// Clients of one address have sockets of their own, and each client PORTS of them, by turns.
static int socket_of(const struct client *c) {
  return (int)(c - clients) / ADDRESSES * PORTS + c->files % PORTS;
}

static void from_address(struct msghdr *header, void *control, in_addr_t address) {
  header->msg_control = control;
  header->msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
  struct cmsghdr *message = CMSG_FIRSTHDR(header);
  message->cmsg_level = IPPROTO_IP;
  message->cmsg_type = IP_PKTINFO;
  message->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
  struct in_pktinfo info = {.ipi_spec_dst.s_addr = address};
  memcpy(CMSG_DATA(message), &info, sizeof info);
}

static void send_request(struct client *c) {
  char packet[512], control[CMSG_SPACE(sizeof(struct in_pktinfo))];
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
  struct iovec vector = {packet, n};
  struct msghdr header = {.msg_name = &server, .msg_namelen = sizeof server, .msg_iov = &vector, .msg_iovlen = 1};
  from_address(&header, control, c->address);
  sendmsg(out[socket_of(c)].fd, &header, 0);
}

static void flush(struct outgoing *o) {
  for (int sent = 0; sent < o->count;) {
    int n = sendmmsg(o->fd, o->headers + sent, o->count - sent, 0);
    sent += n > 0 ? n : 1; // what the kernel will not send is lost
  }
  o->count = 0;
}

static void acknowledge(struct client *c) {
  struct outgoing *o = &out[socket_of(c)];
  int i = o->count++;
  o->packets[i][0] = htons(ACK);
  o->packets[i][1] = htons((uint16_t)c->blocks);
  o->vectors[i] = (struct iovec){o->packets[i], sizeof o->packets[i]};
  o->names[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = c->peer_port, .sin_addr = server.sin_addr};
  struct msghdr *header = &o->headers[i].msg_hdr;
  *header = (struct msghdr){.msg_name = &o->names[i], .msg_namelen = sizeof o->names[i], .msg_iov = &o->vectors[i], .msg_iovlen = 1};
  from_address(header, o->controls[i], c->address);
  if (o->count == BATCH) flush(o);
  c->in_window = 0;
}

static void start(struct client *c, double now) {
  *c = (struct client){
      .busy = 1, .files = c->files + 1, .address = c->address, .window = 1, .started_ms = now, .heard_ms = now, .patience_ms = 1000};
  running++;
  send_request(c);
}

// Ends a transfer; the client takes the next file while there is time.
static void end(struct client *c, int good, double now) {
  c->busy = 0;
  running--;
  if (ended < MAX_FILES) durations_ms[ended++] = now - c->started_ms;
  if (good) finished++, last_ms = now;
  else failed++;
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

static void take(struct client *c, const uint8_t *packet, ssize_t bytes, in_port_t from, double now) {
  if (bytes < 4) return;
  if (c->peer_port == 0) c->peer_port = from, c->patience_ms = SILENCE_MS;
  if (c->peer_port != from) return; // of an earlier file, or of a second answer to a repeated request
  c->heard_ms = now;
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

// Whose datagram it is, by the address it was sent to.
static struct client *client_of(int socket, struct msghdr *header) {
  struct cmsghdr *message = CMSG_FIRSTHDR(header);
  if (message == NULL || message->cmsg_type != IP_PKTINFO) return NULL;
  struct in_pktinfo info;
  memcpy(&info, CMSG_DATA(message), sizeof info);
  uint32_t place = ntohl(info.ipi_addr.s_addr) - first_address;
  uint32_t index = (uint32_t)(socket / PORTS) * ADDRESSES + place;
  if (place >= ADDRESSES || index >= (uint32_t)client_count) return NULL;
  struct client *c = &clients[index];
  return c->busy && socket_of(c) == socket ? c : NULL;
}

static void receive(int socket, double now) {
  for (int i = 0; i < BATCH; i++) {
    in.vectors[i] = (struct iovec){in.packets[i], DATAGRAM};
    in.headers[i].msg_hdr = (struct msghdr){.msg_name = &in.names[i],
                                            .msg_namelen = sizeof in.names[i],
                                            .msg_iov = &in.vectors[i],
                                            .msg_iovlen = 1,
                                            .msg_control = in.controls[i],
                                            .msg_controllen = CONTROL};
  }
  int count = recvmmsg(out[socket].fd, in.headers, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) {
    struct client *c = client_of(socket, &in.headers[i].msg_hdr);
    if (c != NULL) take(c, in.packets[i], in.headers[i].msg_len, in.names[i].sin_port, now);
  }
}

static void tick(double now) {
  for (struct client *c = clients; c < clients + client_count; c++) {
    if (!c->busy) continue;
    if (now - c->started_ms > deadline_ms) {
      end(c, 0, now);
    } else if (now - c->heard_ms > c->patience_ms) {
      c->heard_ms = now;
      if (c->patience_ms < SILENCE_MS) c->patience_ms *= 2;
      if (c->peer_port != 0) acknowledge(c);
      else send_request(c);
    }
  }
}

static void flush_all(void) {
  for (int i = 0; i < socket_count; i++) flush(&out[i]);
}

static int open_socket(int epoll, int index) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), yes = 1, bytes = RECEIVE_BUFFER;
  struct sockaddr_in any = {.sin_family = AF_INET};
  if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0) fail("socket");
  if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) < 0) fail("IP_PKTINFO");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0) fail("SO_RCVBUFFORCE");
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
  return fd;
}

static int ascending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static double quantile(double share) {
  if (ended == 0) return 0;
  return durations_ms[(size_t)(share * (ended - 1) + 0.5)];
}

static void map_content(const char *path) {
  int file = open(path, O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) < 0) fail(path);
  content_bytes = status.st_size;
  content = mmap(NULL, content_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (content == MAP_FAILED) fail("mmap");
}

int main(int argc, char **argv) {
  if (argc != 11) {
    fprintf(stderr, "usage: tftp-load SERVER PORT NAME FILE FIRST CLIENTS SECONDS WINDOW BLKSIZE DEADLINE\n");
    return 2;
  }
  server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  struct in_addr first;
  if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) fail(argv[1]);
  if (inet_pton(AF_INET, argv[5], &first) != 1) fail(argv[5]);
  first_address = ntohl(first.s_addr);
  name = argv[3];
  map_content(argv[4]);
  client_count = atoi(argv[6]);
  double seconds = atof(argv[7]);
  window_wanted = atoi(argv[8]);
  block_bytes = atoi(argv[9]);
  deadline_ms = atof(argv[10]) * 1e3;
  if (block_bytes > DATAGRAM - 4) return fprintf(stderr, "tftp-load: blocks have at most %d bytes\n", DATAGRAM - 4), 2;
  int epoll = epoll_create1(0);
  socket_count = (client_count + ADDRESSES - 1) / ADDRESSES * PORTS;
  out = calloc(socket_count, sizeof *out);
  for (int i = 0; i < socket_count; i++) out[i].fd = open_socket(epoll, i);
  clients = calloc(client_count, sizeof *clients);
  durations_ms = malloc(MAX_FILES * sizeof *durations_ms);
  double started = now_ms();
  stop_ms = started + seconds * 1e3;
  for (int i = 0; i < client_count; i++) {
    clients[i].address = htonl(first_address + i % ADDRESSES);
    start(&clients[i], now_ms());
  }
  struct epoll_event events[64];
  double next_tick = 0;
  int counted = 0;
  while (running > 0) {
    int ready = epoll_wait(epoll, events, 64, TICK_MS);
    double now = now_ms();
    for (int i = 0; i < ready; i++) {
      receive((int)events[i].data.u32, now);
      flush_all();
    }
    // The rate is taken while every client is busy, without the tail of the last files.
    if (!counted && now >= stop_ms && seconds > 0) counted_bytes = received_bytes, counted = 1;
    if (now >= next_tick) {
      next_tick = now + TICK_MS;
      tick(now);
      flush_all();
    }
  }
  // One file each: until the last whole one, so that those which never come do not count as slowness, too.
  if (!counted) counted_bytes = finished * content_bytes, seconds = (last_ms - started) / 1e3;
  qsort(durations_ms, ended, sizeof *durations_ms, ascending);
  printf("{\"seconds\":%.3f,\"bytes\":%llu,\"files\":%zu,\"failed\":%llu,\"wrong\":%llu,\"duplicates\":%llu,"
         "\"medianMs\":%.2f,\"p99Ms\":%.2f}\n",
         seconds, (unsigned long long)counted_bytes, finished, (unsigned long long)failed,
         (unsigned long long)wrong, (unsigned long long)duplicates, quantile(0.5), quantile(0.99));
  return 0;
}
