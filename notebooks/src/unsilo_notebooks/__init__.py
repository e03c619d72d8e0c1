"""Unsilo from the outside: its HTTP API, its commands' JSON documents, and charts of both."""
