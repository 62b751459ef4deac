#include "CRdkafka.h"

/* The headers of the record, ours behind its own; NULL in `headers` where there are none. */
static rd_kafka_resp_err_t headers_for(
    const millrace_outgoing_t *record, rd_kafka_headers_t **headers) {
    rd_kafka_headers_t *list = NULL;
    if (record->headers_of != NULL) {
        /* Moves the parsed list; the message can parse its bytes again, so that a refused record
         * loses nothing when this list is freed. */
        rd_kafka_resp_err_t error = rd_kafka_message_detach_headers(record->headers_of, &list);
        if (error == RD_KAFKA_RESP_ERR__NOENT)
            list = NULL;
        else if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return error;
    }
    if (record->added_count > 0 && list == NULL) list = rd_kafka_headers_new(record->added_count);
    for (uint32_t i = 0; i < record->added_count; i++) {
        const millrace_header_t *added = &record->added[i];
        rd_kafka_header_add(
            list, added->name, (ssize_t)added->name_count, added->value,
            (ssize_t)added->value_count);
    }
    *headers = list;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

enum { ahead = 8 };

size_t millrace_produce(
    rd_kafka_t *producer, rd_kafka_topic_t *topic, const millrace_outgoing_t *records,
    size_t count, rd_kafka_resp_err_t *error) {
    *error = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (size_t i = 0; i < count; i++) {
        const millrace_outgoing_t *record = &records[i];
        /* Keys lie in the consumed messages, which this core may not have seen. */
        if (i + ahead < count) __builtin_prefetch(records[i + ahead].key);
        rd_kafka_headers_t *headers = NULL;
        *error = headers_for(record, &headers);
        if (*error != RD_KAFKA_RESP_ERR_NO_ERROR) return i;
        int flags = record->copy_value ? RD_KAFKA_MSG_F_COPY : 0;
        void *opaque = (void *)(uintptr_t)record->opaque;
        /* producev, not produceva: before 2.12 the latter frees the headers twice when the
         * partition does not exist. On failure they stay ours. */
        *error = rd_kafka_producev(
            producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
            RD_KAFKA_V_MSGFLAGS(flags),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value, record->value_count),
            RD_KAFKA_V_KEY((void *)(uintptr_t)record->key, record->key_count),
            RD_KAFKA_V_TIMESTAMP(record->timestamp_ms), RD_KAFKA_V_OPAQUE(opaque),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (*error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (headers != NULL) rd_kafka_headers_destroy(headers);
            return i;
        }
    }
    return count;
}

enum { chunk = 256, record_bits = 24 };
_Static_assert(MILLRACE_DELIVERIES_MIN >= chunk, "one chunk of answers must fit");

size_t millrace_deliveries(
    rd_kafka_event_t *event, millrace_delivery_t *deliveries, size_t capacity) {
    const rd_kafka_message_t *messages[chunk];
    size_t used = 0;
    while (capacity - used >= chunk) {
        size_t got = rd_kafka_event_message_array(event, messages, chunk);
        if (got == 0) break;
        for (size_t i = 0; i < got; i++) {
            uint64_t opaque = (uint64_t)(uintptr_t)messages[i]->_private;
            rd_kafka_resp_err_t error = messages[i]->err;
            if (error == RD_KAFKA_RESP_ERR_NO_ERROR && used > 0) {
                millrace_delivery_t *last = &deliveries[used - 1];
                if (last->error == 0 && last->opaque >> record_bits == opaque >> record_bits) {
                    last->count++;
                    continue;
                }
            }
            deliveries[used++] = (millrace_delivery_t){
                .opaque = opaque,
                .count = 1,
                .error = error,
                .status = error ? (int32_t)rd_kafka_message_status(messages[i]) : 0,
                .bytes = error ? messages[i]->len + messages[i]->key_len : 0,
            };
        }
    }
    return used;
}
