"""Policies in environments: what do they do, what was it worth, and what is to be learned of it?"""
