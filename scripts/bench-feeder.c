/* Writes records at a steady rate, for scripts/bench: the events of a file, keys as they come, each
 * with the time of its writing. In C, so that it takes little of the cores that it shares with the
 * worker whose latency is measured.
 * usage: bench-feeder BROKERS TOPIC PARTITIONS FILE RATE SECONDS
 * Prints the rate that was reached and the number of records that were not delivered. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { sample = 20000, tick_ns = 1000000 };

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[256];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) == RD_KAFKA_CONF_OK) return;
    fprintf(stderr, "bench-feeder: %s\n", error);
    exit(1);
}

static size_t read_events(const char *path, rd_kafka_message_t *events, int partitions) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    size_t count = 0, capacity = 0;
    char *line = NULL;
    ssize_t length;
    while (count < sample && (length = getline(&line, &capacity, file)) > 1) {
        char *value = strndup(line, (size_t)length - 1); /* without the newline */
        char *key = malloc(24);
        if (value == NULL || key == NULL) exit(1);
        events[count] = (rd_kafka_message_t){
            .payload = value,
            .len = (size_t)length - 1,
            .key = key,
            .key_len = (size_t)snprintf(key, 24, "%zu", count),
            .partition = (int)(count % (size_t)partitions),
        };
        count++;
    }
    free(line);
    fclose(file);
    return count;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: bench-feeder BROKERS TOPIC PARTITIONS FILE RATE SECONDS\n");
        return 64;
    }
    static rd_kafka_message_t events[sample];
    size_t count = read_events(argv[4], events, atoi(argv[3]));
    double rate = atof(argv[5]), seconds = atof(argv[6]);
    if (count == 0) {
        fprintf(stderr, "bench-feeder: no events in %s\n", argv[4]);
        return 66;
    }
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "linger.ms", "1");
    set(conf, "acks", "1");
    set(conf, "queue.buffering.max.messages", "1000000");
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, argv[2], NULL);

    double start = seconds_now(), elapsed;
    size_t sent = 0;
    while ((elapsed = seconds_now() - start) < seconds) {
        size_t due = (size_t)(elapsed * rate);
        while (sent < due) {
            size_t first = sent % count;
            size_t part = due - sent < count - first ? due - sent : count - first;
            int taken = rd_kafka_produce_batch(
                topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION,
                events + first, (int)part);
            sent += (size_t)taken;
            if ((size_t)taken < part) break; /* the queue is full: behind schedule */
        }
        rd_kafka_poll(producer, 0);
        nanosleep(&(struct timespec){.tv_nsec = tick_ns}, NULL);
    }
    double reached = (double)sent / elapsed;
    rd_kafka_flush(producer, 60000);
    printf("%.0f %d\n", reached, rd_kafka_outq_len(producer));
    fflush(stdout);
    _Exit(0);
}
