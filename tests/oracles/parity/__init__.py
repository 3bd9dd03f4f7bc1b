"""attune beside its peers: each module asks one group of questions and answers with rows of one
table.
"""
