#include "CRdkafka.h"

size_t millrace_drain(
    rd_kafka_t *consumer, rd_kafka_queue_t *queue, int timeout_ms,
    rd_kafka_message_t **messages, size_t limit) {
    if (limit == 0) return 0;
    rd_kafka_message_t *first = rd_kafka_consumer_poll(consumer, timeout_ms);
    if (first == NULL) return 0;
    messages[0] = first;
    size_t count = 1;
    if (queue != NULL) {
        /* Never with a timeout: it would wait until the array is full. */
        ssize_t more = rd_kafka_consume_batch_queue(queue, 0, messages + 1, limit - 1);
        return more > 0 ? count + (size_t)more : count;
    }
    while (count < limit) {
        rd_kafka_message_t *next = rd_kafka_consumer_poll(consumer, 0);
        if (next == NULL) break;
        messages[count++] = next;
    }
    return count;
}

static rd_kafka_message_t *message_at(const char *place) {
    return *(rd_kafka_message_t *const *)place;
}

/* Messages were last touched by another thread, on another core: fetching a few ahead hides most of
 * that. The size is about that of librdkafka's message around the public part. */
enum { ahead = 8, message_bytes = 192, cache_line = 64 };

static void prefetch_message(const char *place) {
    const char *message = (const char *)message_at(place);
    if (message == NULL) return;
    for (int at = 0; at < message_bytes; at += cache_line) __builtin_prefetch(message + at, 1);
}

void millrace_messages_destroy(const void *first, size_t stride, size_t count) {
    const char *place = first;
    for (size_t i = 0; i < count; i++, place += stride) {
        if (i + ahead < count) prefetch_message(place + ahead * stride);
        rd_kafka_message_t *message = message_at(place);
        if (message != NULL) rd_kafka_message_destroy(message);
    }
}
