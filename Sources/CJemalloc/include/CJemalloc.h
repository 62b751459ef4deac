/* jemalloc as the process's malloc: nothing to call. */
#pragma once
