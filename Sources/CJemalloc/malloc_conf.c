#include "CJemalloc.h"

#include <jemalloc/jemalloc.h>
#include <string.h>

/* Read by jemalloc when the process starts; the environment's MALLOC_CONF wins. Unused pages go
 * back to the system after one second instead of ten: after a blocked output the resident memory
 * must stay near the pipeline's `memory` while the backlog drains. */
const char *malloc_conf = "dirty_decay_ms:1000";

const char *millrace_jemalloc_version(void) {
    static char version[32];
    const char *whole = NULL;
    size_t size = sizeof whole;
    if (mallctl("version", &whole, &size, NULL, 0) != 0 || whole == NULL) { return NULL; }
    size_t length = strcspn(whole, "-");
    if (length >= sizeof version) { length = sizeof version - 1; }
    memcpy(version, whole, length);
    version[length] = '\0';
    return version;
}
