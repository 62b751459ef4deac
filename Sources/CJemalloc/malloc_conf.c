#include "CJemalloc.h"

/* Read by jemalloc when the process starts; the environment's MALLOC_CONF wins. Unused pages go
 * back to the system after one second instead of ten: after a blocked output the resident memory
 * must stay near the pipeline's `memory` while the backlog drains. */
const char *malloc_conf = "dirty_decay_ms:1000";
