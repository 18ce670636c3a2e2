
/*
 * ai-ledger FILE...: segments of the ledger for a person: the header, then
 * each slot that is not free with its state, whether its CRC holds, and its
 * row.  Reads only, and may be run while the owner lives.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../src/core/ai_slot.h"


/* the layout of ngx_ai_segment_head_t, which see */

typedef struct {
    char              magic[8];
    uint32_t          version;
    uint32_t          slot_size;
    uint32_t          nslots;
    uint32_t          number;
    uint64_t          size;
    uint32_t          slots_at;
    uint32_t          crc;
    uint8_t           zone_id[16];
    uint64_t          start;
    uint32_t          pid;
    uint32_t          clean;
    uint32_t          high;
    uint32_t          pad;
    uint64_t          nfreed;
} head_t;


static void
print_slot(const ai_slot_t *slot, uint32_t i)
{
    int         good;
    ai_buf_t    b;
    ai_slot_t   s;
    ai_char     row[AI_SLOT_ROW_MAX];

    /* a copy: the owner may go on writing */

    s = *slot;

    if (s.state == AI_SLOT_FREE) {
        return;
    }

    ai_buf_init(&b, row, sizeof(row));
    ai_slot_row(&b, &s);

    if (ai_slot_ended(s.state)) {
        good = ai_slot_check(&s) == AI_OK;

    } else {
        good = ai_slot_orphan(&s, s.time_ms) == AI_OK;
    }

    printf("%u %s crc=%s %.*s\n", i,
           ai_slot_state_name((ai_slot_state_t) slot->state),
           good ? "ok" : "BAD", (int) (b.pos - row), row);
}


static int
print_head(const char *name, const head_t *h, off_t size, int alive)
{
    unsigned  i;

    if (memcmp(h->magic, "AISEG\r\n\032", 8) != 0 || h->version != 2
        || h->slot_size != AI_SLOT_SIZE
        || h->crc != ai_crc32(0, h, offsetof(head_t, crc))
        || h->slots_at + (uint64_t) h->nslots * AI_SLOT_SIZE
           > (uint64_t) size)
    {
        fprintf(stderr, "%s: not a segment of this version\n", name);
        return -1;
    }

    printf("# %s: number=%u slots=%u used=%u pid=%u start=%llu owner=%s%s "
           "zone=", name, h->number, h->nslots, h->high, h->pid,
           (unsigned long long) h->start, alive ? "alive" : "dead",
           h->clean ? " clean" : "");

    for (i = 0; i < sizeof(h->zone_id); i++) {
        printf("%02x", h->zone_id[i]);
    }

    printf("\n");

    return 0;
}


/* the lock is only asked for: LOCK_SH does not last longer than this call */

static int
owner_alive(int fd)
{
    if (flock(fd, LOCK_SH|LOCK_NB) == -1) {
        return errno == EWOULDBLOCK;
    }

    (void) flock(fd, LOCK_UN);

    return 0;
}


static int
print_segment(const char *name)
{
    int             fd;
    void           *p;
    uint32_t        i;
    struct stat     sb;
    const head_t   *h;

    fd = open(name, O_RDONLY);

    if (fd == -1 || fstat(fd, &sb) == -1) {
        perror(name);
        return -1;
    }

    if (sb.st_size < (off_t) sizeof(head_t)) {
        fprintf(stderr, "%s: too short\n", name);
        close(fd);
        return -1;
    }

    p = mmap(NULL, (size_t) sb.st_size, PROT_READ, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        perror(name);
        close(fd);
        return -1;
    }

    h = p;

    if (print_head(name, h, sb.st_size, owner_alive(fd)) == -1) {
        close(fd);
        return -1;
    }

    for (i = 0; i < h->nslots && i < h->high; i++) {
        print_slot((const ai_slot_t *) ((const char *) p + h->slots_at
                                        + (size_t) i * AI_SLOT_SIZE), i);
    }

    munmap(p, (size_t) sb.st_size);
    close(fd);

    return 0;
}


int
main(int argc, char **argv)
{
    int  i, rc;

    if (argc < 2) {
        fprintf(stderr, "usage: ai-ledger FILE.seg...\n");
        return 2;
    }

    rc = 0;

    for (i = 1; i < argc; i++) {
        if (print_segment(argv[i]) == -1) {
            rc = 1;
        }
    }

    return rc;
}
