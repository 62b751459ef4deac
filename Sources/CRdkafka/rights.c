#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "CRdkafka.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

/* Debian 12 builds with the headers of 2.0.2; these functions and types came later, and are looked
 * up in the library that is loaded. The declarations are those of rdkafka.h since 2.3.0; the type
 * of a group since 2.10.0. */
typedef struct topic_collection topic_collection_t;
typedef rd_kafka_event_t topics_result_t;
typedef struct topic_description topic_description_t;

static struct {
    rd_kafka_error_t *(*include_rights)(rd_kafka_AdminOptions_t *, int);
    topic_collection_t *(*topic_collection)(const char **, size_t);
    void (*topic_collection_destroy)(topic_collection_t *);
    void (*describe_topics)(
        rd_kafka_t *, const topic_collection_t *, const rd_kafka_AdminOptions_t *,
        rd_kafka_queue_t *);
    const topics_result_t *(*topics_result)(rd_kafka_event_t *);
    const topic_description_t **(*result_topics)(const topics_result_t *, size_t *);
    const rd_kafka_error_t *(*topic_error)(const topic_description_t *);
    const rd_kafka_AclOperation_t *(*topic_rights)(const topic_description_t *, size_t *);
    const rd_kafka_AclOperation_t *(*group_rights)(
        const rd_kafka_ConsumerGroupDescription_t *, size_t *);
    int (*group_type)(const rd_kafka_ConsumerGroupDescription_t *); /* NULL before 2.10.0 */
    int is_complete;
} library;

static void *find(const char *name, int *missing) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol == NULL) ++*missing;
    return symbol;
}

static void find_all(void) {
    int missing = 0, optional = 0;
    library.include_rights =
        find("rd_kafka_AdminOptions_set_include_authorized_operations", &missing);
    library.topic_collection = find("rd_kafka_TopicCollection_of_topic_names", &missing);
    library.topic_collection_destroy = find("rd_kafka_TopicCollection_destroy", &missing);
    library.describe_topics = find("rd_kafka_DescribeTopics", &missing);
    library.topics_result = find("rd_kafka_event_DescribeTopics_result", &missing);
    library.result_topics = find("rd_kafka_DescribeTopics_result_topics", &missing);
    library.topic_error = find("rd_kafka_TopicDescription_error", &missing);
    library.topic_rights = find("rd_kafka_TopicDescription_authorized_operations", &missing);
    library.group_rights =
        find("rd_kafka_ConsumerGroupDescription_authorized_operations", &missing);
    library.group_type = find("rd_kafka_ConsumerGroupDescription_type", &optional);
    library.is_complete = missing == 0;
}

int millrace_knows_rights(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_all);
    return library.is_complete;
}

/* What one request needs; `options` are those that both kinds of request take. */
typedef struct {
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
} request_t;

static rd_kafka_resp_err_t begin(rd_kafka_t *client, int timeout_ms, request_t *request) {
    char text[256];
    request->options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_ANY);
    request->queue = rd_kafka_queue_new(client);
    rd_kafka_resp_err_t error = rd_kafka_AdminOptions_set_request_timeout(
        request->options, timeout_ms, text, sizeof text);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && millrace_knows_rights()) {
        rd_kafka_error_t *refusal = library.include_rights(request->options, 1);
        if (refusal != NULL) {
            error = rd_kafka_error_code(refusal);
            rd_kafka_error_destroy(refusal);
        }
    }
    return error;
}

/* The answer, or NULL with the reason in `error`. The library answers by itself at the request's
 * timeout; the wait is longer by as much as its threads may be late. */
static rd_kafka_event_t *answer(request_t *request, int timeout_ms, rd_kafka_resp_err_t *error) {
    enum { late_ms = 1000 };
    int wait_ms = timeout_ms < INT_MAX - late_ms ? timeout_ms + late_ms : timeout_ms;
    rd_kafka_event_t *event = rd_kafka_queue_poll(request->queue, wait_ms);
    *error = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (event != NULL && *error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_event_destroy(event);
        event = NULL;
    }
    return event;
}

static void end(request_t *request) {
    rd_kafka_queue_destroy(request->queue);
    rd_kafka_AdminOptions_destroy(request->options);
}

static uint32_t bit(rd_kafka_AclOperation_t operation) { return UINT32_C(1) << operation; }

void millrace_note_rights(
    millrace_rights_t *rights, const rd_kafka_AclOperation_t *operations, size_t count) {
    for (size_t i = 0; operations != NULL && i < count; i++) {
        if ((unsigned)operations[i] < 32) rights->allowed |= bit(operations[i]);
    }
    /* Who may describe has that right at least: an answer without it, as some services that speak
     * Kafka's protocol give, tells nothing. Nor does one with rights that only a cluster has: that
     * is a number without meaning, with all its bits set, as of brokers before Kafka 2.3. */
    const uint32_t least =
        bit(RD_KAFKA_ACL_OPERATION_DESCRIBE) | bit(RD_KAFKA_ACL_OPERATION_ALL);
    const uint32_t clusters =
        bit(RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION) | bit(RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE);
    rights->is_told = (rights->allowed & least) != 0 && (rights->allowed & clusters) == 0;
}

millrace_rights_t millrace_topic_rights(rd_kafka_t *client, const char *topic, int timeout_ms) {
    millrace_rights_t rights = {.error = RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE};
    if (!millrace_knows_rights()) return rights;
    request_t request;
    rd_kafka_resp_err_t error = begin(client, timeout_ms, &request);
    rd_kafka_event_t *event = NULL;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        topic_collection_t *topics = library.topic_collection(&topic, 1);
        library.describe_topics(client, topics, request.options, request.queue);
        library.topic_collection_destroy(topics);
        event = answer(&request, timeout_ms, &error);
    }
    if (event != NULL) {
        size_t count = 0;
        const topics_result_t *result = library.topics_result(event);
        const topic_description_t **found = result ? library.result_topics(result, &count) : NULL;
        if (count > 0) {
            error = rd_kafka_error_code(library.topic_error(found[0]));
            size_t operation_count = 0;
            const rd_kafka_AclOperation_t *operations =
                library.topic_rights(found[0], &operation_count);
            millrace_note_rights(&rights, operations, operation_count);
        }
        rd_kafka_event_destroy(event);
    }
    rights.error = error;
    end(&request);
    return rights;
}

millrace_group_t millrace_group(rd_kafka_t *client, const char *group, int timeout_ms) {
    millrace_group_t about = {.protocol = MILLRACE_GROUP_UNKNOWN};
    request_t request;
    rd_kafka_resp_err_t error = begin(client, timeout_ms, &request);
    rd_kafka_event_t *event = NULL;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_DescribeConsumerGroups(client, &group, 1, request.options, request.queue);
        event = answer(&request, timeout_ms, &error);
    }
    if (event != NULL) {
        size_t count = 0;
        const rd_kafka_DescribeConsumerGroups_result_t *result =
            rd_kafka_event_DescribeConsumerGroups_result(event);
        const rd_kafka_ConsumerGroupDescription_t **found =
            result ? rd_kafka_DescribeConsumerGroups_result_groups(result, &count) : NULL;
        if (count > 0) {
            error = rd_kafka_error_code(rd_kafka_ConsumerGroupDescription_error(found[0]));
            about.member_count = rd_kafka_ConsumerGroupDescription_member_count(found[0]);
            if (library.group_type != NULL) about.protocol = library.group_type(found[0]);
            if (millrace_knows_rights()) {
                size_t operation_count = 0;
                const rd_kafka_AclOperation_t *operations =
                    library.group_rights(found[0], &operation_count);
                millrace_note_rights(&about.rights, operations, operation_count);
            }
        }
        rd_kafka_event_destroy(event);
    }
    about.rights.error = error;
    end(&request);
    return about;
}
