//! How much of a large model a rater asks about.

/// Whole chunks (of 2048 parameters) that a rater draws in each round, of a model that has more: its directions are zero
/// elsewhere, and it fetches no others.
///
/// Each draws its own, and nobody else knows it before the close, so no contributor can be honest in the sample alone. The
/// count is a matter of noise: with 8, 16, 32 and 64 of 156 chunks (MNIST, 318,010 parameters, 10 companies of which 3 flip
/// labels, 6 rounds; mean over the raters of the correlation with the scores in whole) IID .9984, .9992, .9996 and .9999 in a
/// round; Dirichlet(.3) .977, .991, .996 and .998, and of the averages .995, .997, .999 and .9996. For the second direction,
/// whose products are small beside their noise, the averages have .929, .976, .991 and .995 (IID .986, .993, .997 and .999).
/// 32 is the least with .99 throughout. Taking the second direction's residual within the sample, and not of the whole, gains
/// .001 there.
pub const SAMPLED_CHUNKS: usize = 32;
