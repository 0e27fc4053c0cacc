/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names of the functions that a template defines for the tier KERN_SUFFIX.
 */

#define KERN_JOIN_(op, suffix) kern_##op##_##suffix
#define KERN_JOIN(op, suffix) KERN_JOIN_(op, suffix)
#define KERN_NAME(op) KERN_JOIN(op, KERN_SUFFIX)
#define KERN_STRING_(x) #x
#define KERN_STRING(x) KERN_STRING_(x)
