// A clock of the day that can be put forward and back for one process and its children.
//
// Preloaded. The file that DATASERVER_TEST_CLOCK names holds three numbers of 64 bits: seconds that
// are added, how often the time was told with something added, and bytes of the heap in use.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t *shared;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

static void *watch_heap(void *unused)
{
    (void)unused;
    for (;;) {
        struct mallinfo2 heap = mallinfo2();
        __atomic_store_n(&shared[2], (int64_t)(heap.uordblks + heap.hblkhd), __ATOMIC_RELAXED);
        usleep(500000);
    }
    return NULL;
}

__attribute__((constructor)) static void start(void)
{
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("DATASERVER_TEST_CLOCK");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, 3 * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED)
        return;
    shared = mapped;
    pthread_t thread;
    if (getenv("DATASERVER_TEST_HEAP") && !pthread_create(&thread, NULL, watch_heap, NULL))
        pthread_detach(thread);
}

static int64_t added(void)
{
    int64_t seconds = shared ? __atomic_load_n(&shared[0], __ATOMIC_RELAXED) : 0;
    if (seconds)
        __atomic_fetch_add(&shared[1], 1, __ATOMIC_RELAXED);
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *told)
{
    int failed = real_clock_gettime ? real_clock_gettime(clock, told)
                                    : (int)syscall(SYS_clock_gettime, clock, told);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        told->tv_sec += added();
    return failed;
}

int gettimeofday(struct timeval *told, void *zone)
{
    (void)zone;
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    if (!failed) {
        told->tv_sec = now.tv_sec;
        told->tv_usec = now.tv_nsec / 1000;
    }
    return failed;
}

time_t time(time_t *told)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return (time_t)-1;
    if (told)
        *told = now.tv_sec;
    return now.tv_sec;
}
