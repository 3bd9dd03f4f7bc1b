// How often would chance alone make two systems differ as much? A paired randomisation test, and
// what its p-values are worth when several candidates were tried.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune {

// If the two systems were equally good, each query's two values could as well be swapped, which
// turns the sign of their difference. Two-sided p: the share of sign patterns whose mean difference
// is as far from 0 as the one found, or farther (equal within 1e-12 of the sum of all |difference|,
// for rounding).
//   n queries differ and 2^n <= rounds:  every pattern is counted, p is exact
//   else `rounds` patterns are drawn:    p = (1 + as far or farther) / (1 + rounds), never 0
// Queries with equal values count for nothing; if all are equal p is 1. The same p for a seed on
// every machine. Sources: Fisher 1935; Smucker, Allan & Carterette 2007 for retrieval evaluation,
// where it is recommended; Phipson & Smyth 2010 for the two ones. Vectors of equal length, at least
// 1. About 20 ms for 1,000 queries.
double paired_randomisation(const std::vector<double>& base, const std::vector<double>& candidate,
                            int rounds = 10000, std::uint64_t seed = 42);

// p-values corrected for how many there are: the chance that any "p <= 0.05" is chance's work stays
// at 0.05, however the tests depend on each other. The i-th smallest of m becomes the largest of
// (m - j + 1) * p_(j), j <= i, at most 1. In the order given. Source: Holm 1979.
std::vector<double> holm(std::span<const double> p);

}  // namespace attune
