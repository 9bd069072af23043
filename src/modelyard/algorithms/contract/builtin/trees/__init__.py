"""Boosted trees and trees of random cuts."""
