/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Why the search chose what it chose, for people. One thread.
 */

struct cJSON;
struct mix;
struct mix_space;
struct trial;

/* [{"layer", "technique", "strength", "why"}], in the order of the layers, the number format last as layer "*". NULL where
 * there is no memory. */
struct cJSON *search_explain_mix(const struct mix *mix, const struct mix_space *space,
                                 const struct trial *trial);
/* The same where a fixed recipe, or nothing at all, is best. */
struct cJSON *search_explain_fixed(const struct trial *trial);
