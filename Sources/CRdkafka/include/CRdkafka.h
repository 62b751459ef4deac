/* librdkafka made callable from Swift: batch-wise helpers around its per-record functions, so that
 * Swift crosses the boundary once a batch. No decisions are made here. */
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stddef.h>
#include <stdint.h>

/* Takes up to `limit` messages (records, errors, ends of partitions) that have arrived; waits up to
 * `timeout_ms` for the first only. With `queue` the rest comes by rd_kafka_consume_batch_queue,
 * without it by rd_kafka_consumer_poll (see KafkaSource for which versions need which).
 * Returns the number of messages; the caller destroys each. */
size_t millrace_drain(
    rd_kafka_t *consumer, rd_kafka_queue_t *queue, int timeout_ms,
    rd_kafka_message_t **messages, size_t limit);

/* A header to add: `value` may be NULL (a null header). */
typedef struct {
    const char *name;
    size_t name_count;
    const void *value;
    size_t value_count;
} millrace_header_t;

/* A record to enqueue. */
typedef struct {
    const void *value; /* NULL: tombstone */
    size_t value_count;
    const void *key; /* NULL: null key; always copied */
    size_t key_count;
    int64_t timestamp_ms; /* 0: now */
    uint64_t opaque;
    rd_kafka_message_t *headers_of; /* NULL, or the consumed message whose headers go first */
    const millrace_header_t *added; /* headers that follow, `added_count` of them */
    uint32_t added_count;
    int32_t partition;  /* -1: by the partitioner */
    int32_t copy_value; /* 0: `value` must stay valid until the delivery report */
} millrace_outgoing_t;

/* Enqueues the records in order and stops at the first that is refused: returns how many were
 * enqueued, and in `error` why the next one was not. A refused record's headers stay readable in
 * `headers_of`; those of an enqueued record are moved out and read as parsed anew. */
size_t millrace_produce(
    rd_kafka_t *producer, rd_kafka_topic_t *topic, const millrace_outgoing_t *records,
    size_t count, rd_kafka_resp_err_t *error);

/* Delivery answers: `count` records whose opaques share their upper 40 bits with `opaque`, which is
 * that of the first. Failures come one by one. */
typedef struct {
    uint64_t opaque;
    uint32_t count;
    int32_t error;
    int32_t status; /* rd_kafka_msg_status_t of a failure */
    uint64_t bytes; /* key and value of a failure */
} millrace_delivery_t;

/* The smallest capacity that millrace_deliveries takes. */
#define MILLRACE_DELIVERIES_MIN 512

/* Moves answers out of a delivery-report event into `deliveries`; 0 when none is left. Call until
 * then. Less than MILLRACE_DELIVERIES_MIN as `capacity` yields 0 at once. */
size_t millrace_deliveries(
    rd_kafka_event_t *event, millrace_delivery_t *deliveries, size_t capacity);

/* Destroys `count` messages that lie `stride` bytes apart, the first pointer at `first`. */
void millrace_messages_destroy(const void *first, size_t stride, size_t count);

/* What the brokers allow the client's user on a topic or group. */
typedef struct {
    int32_t error;    /* rd_kafka_resp_err_t of the answer about it */
    int32_t is_told;  /* 0: the brokers did not say, `allowed` means nothing */
    uint32_t allowed; /* bit n: rd_kafka_AclOperation_t n */
} millrace_rights_t;

/* Reads the operations of an answer, NULL where it has none. */
void millrace_note_rights(
    millrace_rights_t *rights, const rd_kafka_AclOperation_t *operations, size_t count);

/* Whether the librdkafka that is loaded can ask for rights: 2.3.0 and newer. */
int millrace_knows_rights(void);

/* Asks for the rights on the topic; `_UNSUPPORTED_FEATURE` where millrace_knows_rights() is 0. */
millrace_rights_t millrace_topic_rights(rd_kafka_t *client, const char *topic, int timeout_ms);

/* How the members of a group talk to their coordinator, as far as librdkafka can say it. */
typedef enum {
    MILLRACE_GROUP_UNKNOWN = 0, /* before librdkafka 2.10.0 always */
    MILLRACE_GROUP_CONSUMER = 1, /* KIP-848 */
    MILLRACE_GROUP_CLASSIC = 2,
} millrace_group_protocol_t;

/* A group that consumers use, or that does not exist. */
typedef struct {
    millrace_rights_t rights; /* without millrace_knows_rights() only the error */
    int32_t protocol;         /* millrace_group_protocol_t; classic where it does not exist */
    size_t member_count;
} millrace_group_t;

/* Asks about the group. `_INVALID_ARG` where it is one of other clients than consumers. */
millrace_group_t millrace_group(rd_kafka_t *client, const char *group, int timeout_ms);
